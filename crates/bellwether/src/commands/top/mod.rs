//! `top`: a server as it works, in a terminal.

mod client;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::json;

use crate::cli::TopArgs;
use crate::failure::Failure;
use crate::output::{Output, Rows};
use client::{Client, Look};
use view::{Sort, View};

/// How often a key is looked for.
const TICK: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &TopArgs, output: &Output) -> Result<(), Failure> {
    let client = Client::new(&args.url, args.key_file.as_deref())?;
    // What a program is to read is no picture, wherever it goes.
    if args.once || output.is_for_programs() || !std::io::stdout().is_terminal() {
        return once(&client, output);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let looks = client.follow(&runtime, args.interval);
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, &args.url, &looks);
    ratatui::restore();
    shown
}

/// What there is now, once.
fn once(client: &Client, output: &Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let look = runtime.block_on(client.look())?;
    let mut rows = Rows::new(&["device", "state", "score", "worst", "model", "last_time"]);
    for device in &look.devices {
        rows.push(vec![
            json!(device.device),
            json!(device.state),
            json!(device.score),
            json!(device.worst.as_ref().map(|worst| worst.score)),
            json!(device.model),
            json!(device.last_time),
        ]);
    }
    output.answer(&json!({ "status": look.status, "devices": look.devices }), &rows)
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    url: &str,
    looks: &std::sync::mpsc::Receiver<Result<Look, String>>,
) -> Result<(), Failure> {
    let mut view = View::new(url);
    loop {
        while let Ok(look) = looks.try_recv() {
            view.take(look);
        }
        terminal.draw(|frame| view.draw(frame))?;
        if event::poll(TICK)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && press(&mut view, key)
        {
            return Ok(());
        }
    }
}

/// What a key does; whether it ends the view.
fn press(view: &mut View, key: KeyEvent) -> bool {
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return true;
    }
    if view.is_searching() {
        match key.code {
            KeyCode::Esc => view.search(None),
            KeyCode::Enter => view.end_search(),
            KeyCode::Backspace => view.search_pop(),
            KeyCode::Char(letter) => view.search_push(letter),
            _ => {}
        }
        return false;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return true,
        KeyCode::Char('/') => view.search(Some(String::new())),
        KeyCode::Char('s') => view.sort(Sort::next),
        KeyCode::Down | KeyCode::Char('j') => view.move_by(1),
        KeyCode::Up | KeyCode::Char('k') => view.move_by(-1),
        KeyCode::PageDown => view.move_by(20),
        KeyCode::PageUp => view.move_by(-20),
        KeyCode::Home => view.move_by(isize::MIN),
        _ => {}
    }
    false
}
