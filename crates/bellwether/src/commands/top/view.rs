//! What `top` draws.

use bellwether_core::time::humane;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState};

use super::client::{Device, Look};

/// Heights of the bars of a sparkline, the lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The score at which a bar is full: what lies above is an alarm anyway.
const FULL_BAR: f64 = 1.5;

/// In which order devices stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Events first, then by score.
    Worst,
    /// By name.
    Name,
    /// By the newest sample.
    Recent,
}

/// The state of the screen.
#[derive(Debug)]
pub(super) struct View {
    url: String,
    look: Option<Look>,
    /// What went wrong the last time.
    problem: Option<String>,
    /// Samples a second since the look before.
    rate: Option<f64>,
    sort: Sort,
    filter: String,
    is_searching: bool,
    table: TableState,
}

impl Sort {
    /// The order after this one.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Worst => Self::Name,
            Self::Name => Self::Recent,
            Self::Recent => Self::Worst,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Worst => "worst first",
            Self::Name => "by name",
            Self::Recent => "newest first",
        }
    }
}

impl View {
    /// A screen without anything on it yet.
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            look: None,
            problem: None,
            rate: None,
            sort: Sort::Worst,
            filter: String::new(),
            is_searching: false,
            table: TableState::default().with_selected(0),
        }
    }

    /// Takes in what the server said.
    pub(super) fn take(&mut self, look: Result<Look, String>) {
        match look {
            Err(problem) => self.problem = Some(problem),
            Ok(look) => {
                if let Some(before) = &self.look {
                    let seconds = look.status.uptime_s - before.status.uptime_s;
                    let samples = look.status.samples.accepted as f64 - before.status.samples.accepted as f64;
                    self.rate = (seconds > 0.0 && samples >= 0.0).then(|| samples / seconds);
                }
                self.problem = None;
                self.look = Some(look);
            }
        }
    }

    pub(super) fn is_searching(&self) -> bool {
        self.is_searching
    }

    /// Begins to search, or gives it up.
    pub(super) fn search(&mut self, text: Option<String>) {
        self.is_searching = text.is_some();
        self.filter = text.unwrap_or_default();
        self.table.select(Some(0));
    }

    /// Keeps what was searched for.
    pub(super) fn end_search(&mut self) {
        self.is_searching = false;
    }

    pub(super) fn search_push(&mut self, letter: char) {
        self.filter.push(letter);
        self.table.select(Some(0));
    }

    pub(super) fn search_pop(&mut self) {
        self.filter.pop();
    }

    pub(super) fn sort(&mut self, next: impl FnOnce(Sort) -> Sort) {
        self.sort = next(self.sort);
    }

    /// Moves the mark by so many devices.
    pub(super) fn move_by(&mut self, by: isize) {
        let last = self.devices().len().saturating_sub(1);
        let at = self.table.selected().unwrap_or(0);
        self.table.select(Some(at.saturating_add_signed(by).min(last)));
    }

    /// The devices that are shown, in their order.
    fn devices(&self) -> Vec<&Device> {
        let all = self.look.iter().flat_map(|look| &look.devices);
        let wanted = self.filter.to_lowercase();
        let mut devices: Vec<&Device> = all
            .filter(|device| device.device.to_lowercase().contains(&wanted))
            .collect();
        match self.sort {
            // As the server gave them.
            Sort::Worst => {}
            Sort::Name => devices.sort_by(|a, b| a.device.cmp(&b.device)),
            Sort::Recent => devices.sort_by(|a, b| b.last_time.cmp(&a.last_time)),
        }
        devices
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let [head, body, foot] =
            Layout::vertical([Constraint::Length(4), Constraint::Min(3), Constraint::Length(1)])
                .areas(frame.area());
        self.draw_head(frame, head);
        self.draw_devices(frame, body);
        self.draw_foot(frame, foot);
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect) {
        let mut title = vec![Span::from(" bellwether ").bold().reversed(), Span::from(" ")];
        title.push(Span::from(self.url.clone()));
        let Some(look) = &self.look else {
            frame.render_widget(Paragraph::new(Line::from(title)), area);
            return;
        };
        let status = &look.status;
        let uptime = std::time::Duration::try_from_secs_f64(status.uptime_s).unwrap_or_default();
        title.push(Span::from(format!("  {}  up {}", status.version, humane(uptime))).dim());
        if !status.is_ready {
            title.push(Span::from("  not ready").fg(Color::Yellow));
        }
        let devices = &status.devices;
        let counts = Line::from(vec![
            Span::from(format!(" {} devices  ", devices.total)),
            Span::from(format!("{} in an event", devices.event)).style(state_style("event")),
            Span::from(format!("  {} silent", devices.silent)).style(state_style("silent")),
            Span::from(format!("  {} warming up", devices.warming)).style(state_style("warming")),
            Span::from(format!("  {} normal", devices.normal)).style(state_style("normal")),
        ]);
        let rate = self
            .rate
            .map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0}"));
        let ms = |seconds: Option<f64>| {
            seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{:.0} ms", seconds * 1e3))
        };
        let samples = &status.samples;
        let flow = Line::from(format!(
            " {rate} samples/s  lag {} half, {} of 99 %  {} waiting  late {}  quarantined {}  {} MiB",
            ms(status.lag_p50_s),
            ms(status.lag_p99_s),
            status.waiting_batches,
            samples.late,
            samples.quarantined,
            status.memory_bytes.unwrap_or_default() >> 20,
        ));
        frame.render_widget(Paragraph::new(vec![Line::from(title), counts, flow]), area);
    }

    fn draw_devices(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let devices = self.devices();
        let n_shown = devices.len();
        let rows: Vec<Row<'static>> = devices.into_iter().map(row).collect();
        let header = Row::new([
            "device",
            "state",
            "score",
            "worst",
            "history",
            "model",
            "newest sample",
        ])
        .style(Style::new().add_modifier(Modifier::BOLD));
        let widths = [
            Constraint::Min(14),
            Constraint::Length(8),
            Constraint::Length(8),
            Constraint::Length(8),
            Constraint::Length(30),
            Constraint::Length(16),
            Constraint::Length(20),
        ];
        let title = format!(" {n_shown} devices, {} ", self.sort.word());
        let table = Table::new(rows, widths)
            .header(header)
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
            .block(Block::bordered().title(title));
        frame.render_stateful_widget(table, area, &mut self.table);
    }

    fn draw_foot(&self, frame: &mut Frame<'_>, area: Rect) {
        let line = if let Some(problem) = &self.problem {
            Line::from(format!(" {problem}; trying again")).fg(Color::Yellow)
        } else if self.is_searching {
            Line::from(format!(" /{}▏ enter keeps, esc ends the search", self.filter))
        } else {
            Line::from(" q quits  / searches  s sorts  ↑↓ move").dim()
        };
        frame.render_widget(Paragraph::new(line), area);
    }
}

fn row(device: &Device) -> Row<'static> {
    let score = |score: Option<f64>| score.map_or_else(|| "–".to_owned(), |score| format!("{score:.2}"));
    Row::new(vec![
        Cell::from(device.device.clone()),
        Cell::from(device.state.clone()).style(state_style(&device.state)),
        Cell::from(score(device.score)),
        Cell::from(score(device.worst.as_ref().map(|worst| worst.score))),
        Cell::from(sparkline(&device.sparkline, 30)),
        Cell::from(device.model.clone().unwrap_or_default()),
        Cell::from(device.last_time.clone().unwrap_or_default()),
    ])
}

fn state_style(state: &str) -> Style {
    match state {
        "event" => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        "silent" => Style::new().fg(Color::Yellow),
        "warming" => Style::new().fg(Color::Cyan),
        _ => Style::new().fg(Color::Green),
    }
}

/// The newest `len` slots as bars; a blank where there is no score.
fn sparkline(slots: &[Option<f64>], len: usize) -> String {
    let newest = &slots[slots.len().saturating_sub(len)..];
    let bar = |slot: &Option<f64>| match slot {
        None => ' ',
        Some(score) => {
            let share = (score / FULL_BAR).clamp(0.0, 1.0);
            BARS[((share * BARS.len() as f64) as usize).min(BARS.len() - 1)]
        }
    };
    newest.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::*;

    fn look(accepted: u64, uptime_s: f64) -> Look {
        let device = |name: &str, state: &str, score: f64| {
            json!({
                "device": name, "model": "pump@1", "state": state, "last_time": "2024-05-01T08:00:00Z",
                "score": score, "worst": { "score": 2.5, "time": "2024-05-01T07:00:00Z" },
                "sparkline": [null, 0.1, 1.6],
            })
        };
        let status = json!({
            "version": "1.2.3", "is_ready": true, "uptime_s": uptime_s,
            "devices": { "total": 2, "normal": 1, "event": 1, "silent": 0, "warming": 0 },
            "samples": { "accepted": accepted, "duplicate": 0, "late": 3, "quarantined": 4, "judged": 5 },
            "lag_p50_s": 0.02, "lag_p99_s": null, "waiting_batches": 0, "failed_commits": 0, "events_open": 1,
            "models": ["pump@1"], "memory_bytes": 52_428_800,
        });
        let devices = json!([device("pump-02", "event", 2.0), device("pump-01", "normal", 0.2)]);
        Look {
            status: serde_json::from_value(status).unwrap(),
            devices: serde_json::from_value(devices).unwrap(),
        }
    }

    fn drawn(view: &mut View) -> String {
        let mut terminal = Terminal::new(TestBackend::new(120, 12)).unwrap();
        terminal.draw(|frame| view.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_server_is_drawn_with_its_worst_device_first() {
        let mut view = View::new("http://h:1");
        view.take(Ok(look(100, 10.0)));
        view.take(Ok(look(300, 12.0)));
        let text = drawn(&mut view);
        for said in ["100 samples/s", "1 in an event", "lag 20 ms half", "50 MiB", "▁█"] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(text.find("pump-02") < text.find("pump-01"), "{text}");
        view.sort(Sort::next);
        let text = drawn(&mut view);
        assert!(text.find("pump-01") < text.find("pump-02"), "{text}");
    }

    #[test]
    fn a_search_leaves_what_matches_and_a_problem_is_told() {
        let mut view = View::new("http://h:1");
        view.take(Ok(look(1, 1.0)));
        view.search(Some("P-02".to_owned()));
        let text = drawn(&mut view);
        assert!(text.contains("pump-02") && !text.contains("pump-01"), "{text}");
        view.end_search();
        view.take(Err("it does not answer".to_owned()));
        // What was seen last stays on the screen.
        let text = drawn(&mut view);
        assert!(
            text.contains("does not answer; trying again") && text.contains("pump-02"),
            "{text}"
        );
    }
}
