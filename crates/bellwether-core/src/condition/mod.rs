//! Conditions that people write of a row: `flow > 0.1 => pump_on == 1`.
//!
//! A condition is true, false, or unknown where a value that it needs is missing. It joins comparisons of numbers:
//!
//! | written | means | binds |
//! |---|---|---|
//! | `a => b` | where a holds, b holds: `not a or b`; from right to left | weakest |
//! | `a or b` | at least one holds | |
//! | `a and b` | both hold | |
//! | `not a` | a does not hold | |
//! | `x < y`, `<=`, `>`, `>=`, `==`, `!=` | comparison of two numbers | |
//! | `x + y`, `x - y` | | |
//! | `x * y`, `x / y` | division by zero gives no number | |
//! | `-x` | | |
//! | `1.5e3`, `flow`, `"oil temp"`, `` `oil temp` ``, `abs(x)`, `min(x, y)`, `max(x, y)`, `(…)` | | strongest |
//!
//! A name is a channel. One with other signs than letters, digits, `_` and `.`, or one that starts with a digit or is a
//! word of the language, stands in double quotes or backticks.
//!
//! # Missing values
//! A comparison with a missing value is unknown. `and`, `or`, `not` and `=>` know what they can: `false and unknown` is
//! false, `true or unknown` is true (the strong logic of Kleene 1938).
//!
//! ```
//! use bellwether_core::condition::Condition;
//! use bellwether_core::frame::Channel;
//!
//! let condition = Condition::parse("flow > 0.1 => pump_on == 1").unwrap();
//! let channels = [Channel::new("pump_on"), Channel::new("flow")];
//! let bound = condition.bind(&channels).unwrap();
//! assert_eq!(bound.holds(&[1.0, 3.0]), Some(true));
//! assert_eq!(bound.holds(&[0.0, 3.0]), Some(false));
//! assert_eq!(bound.holds(&[0.0, f64::NAN]), None);
//! ```

mod parse;
mod token;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::frame::Channel;
use crate::transform::MissingChannel;

pub use parse::{ConditionError, Mistake};

/// Numbers that may wait for each other while a condition is worked out.
const STACK_LEN: usize = 32;

/// A condition as written, read and found sound; it names channels and does not know yet where they stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    channels: Vec<String>,
    steps: Vec<Step>,
}

/// One step on a stack of numbers. Truth is 1, falsehood 0, and NaN is unknown or missing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Number(f64),
    /// The value of a channel: in a [`Condition`] by its place among the names, in a [`BoundCondition`] in the row.
    Channel(usize),
    Negate,
    Abs,
    Add,
    Subtract,
    Multiply,
    Divide,
    Min,
    Max,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
    Unequal,
    Not,
    And,
    Or,
    Implies,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// [`ConditionError`] with the place of the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        let (steps, channels) = parse::parse(text)?;
        Ok(Self {
            text: text.trim().to_owned(),
            channels,
            steps,
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The channels that it reads, each once, in the order of their first mention.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().map(String::as_str)
    }

    /// The condition on rows of these channels.
    ///
    /// # Errors
    /// [`UnknownChannels`] where it names channels that are not there.
    pub fn bind(&self, channels: &[Channel]) -> Result<BoundCondition, UnknownChannels> {
        let mut missing = Vec::new();
        let mut positions = Vec::with_capacity(self.channels.len());
        for name in &self.channels {
            match channels.iter().position(|channel| channel.name() == name) {
                Some(idx) => positions.push(idx),
                None => missing.push(MissingChannel::new(name, channels)),
            }
        }
        if !missing.is_empty() {
            return Err(UnknownChannels {
                condition: self.text.clone(),
                missing,
            });
        }
        let steps = self.steps.iter().map(|step| match step {
            Step::Channel(idx) => Step::Channel(positions[*idx]),
            other => *other,
        });
        Ok(BoundCondition {
            steps: steps.collect(),
            channels: positions,
        })
    }
}

/// As written.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A condition that knows where its channels stand in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundCondition {
    steps: Vec<Step>,
    channels: Vec<usize>,
}

impl BoundCondition {
    /// Positions of the channels that it reads, in the order of their first mention.
    pub fn channels(&self) -> &[usize] {
        &self.channels
    }

    /// Whether it holds in a row, `[n_channels]`, NaN for missing values; `None` where that is unknown.
    ///
    /// # Panics
    /// Where the row is shorter than that of the channels it was bound to: the caller's mistake.
    pub fn holds(&self, row: &[f64]) -> Option<bool> {
        let answer = self.evaluate(row);
        (!answer.is_nan()).then_some(answer > 0.5)
    }

    fn evaluate(&self, row: &[f64]) -> f64 {
        let mut stack = [0.0; STACK_LEN];
        let mut len = 0;
        for step in &self.steps {
            match step {
                Step::Number(number) => {
                    stack[len] = *number;
                    len += 1;
                }
                Step::Channel(idx) => {
                    stack[len] = row[*idx];
                    len += 1;
                }
                Step::Negate => stack[len - 1] = -stack[len - 1],
                Step::Abs => stack[len - 1] = stack[len - 1].abs(),
                Step::Not => stack[len - 1] = 1.0 - stack[len - 1],
                of_two => {
                    len -= 1;
                    stack[len - 1] = joined(*of_two, stack[len - 1], stack[len]);
                }
            }
        }
        stack[0]
    }
}

#[expect(clippy::float_cmp, reason = "== of the language is exact")]
fn joined(step: Step, x: f64, y: f64) -> f64 {
    let truth = |holds: bool| {
        if x.is_nan() || y.is_nan() {
            f64::NAN
        } else {
            f64::from(u8::from(holds))
        }
    };
    match step {
        Step::Add => x + y,
        Step::Subtract => x - y,
        Step::Multiply => x * y,
        Step::Divide if y == 0.0 => f64::NAN,
        Step::Divide => x / y,
        // Not those of the standard library, which pass over NaN.
        Step::Min if x.is_nan() || y.is_nan() => f64::NAN,
        Step::Min => x.min(y),
        Step::Max if x.is_nan() || y.is_nan() => f64::NAN,
        Step::Max => x.max(y),
        Step::Less => truth(x < y),
        Step::AtMost => truth(x <= y),
        Step::Greater => truth(x > y),
        Step::AtLeast => truth(x >= y),
        Step::Equal => truth(x == y),
        Step::Unequal => truth(x != y),
        Step::And => both(x, y),
        Step::Or => 1.0 - both(1.0 - x, 1.0 - y),
        Step::Implies => 1.0 - both(x, 1.0 - y),
        Step::Number(_) | Step::Channel(_) | Step::Negate | Step::Abs | Step::Not => {
            unreachable!("steps of one number or none are done before")
        }
    }
}

/// Kleene's conjunction: false where either is, unknown where either is, true otherwise.
fn both(x: f64, y: f64) -> f64 {
    if x == 0.0 || y == 0.0 { 0.0 } else { x * y }
}

/// A condition names channels that the data lack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{condition:?} names what the data lack: {}", describe(missing))]
pub struct UnknownChannels {
    /// The condition.
    pub condition: String,
    /// Each such channel, with the nearest names of the data.
    pub missing: Vec<MissingChannel>,
}

fn describe(missing: &[MissingChannel]) -> String {
    let parts: Vec<String> = missing.iter().map(MissingChannel::to_string).collect();
    parts.join(", ")
}
