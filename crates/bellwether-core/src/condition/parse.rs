//! The grammar of conditions: from words to steps.

use super::token::{Placed, Token, tokens};
use super::{STACK_LEN, Step};

/// Longest text of a condition, in bytes.
const LEN_MAX: usize = 4096;

/// So many brackets, signs and implications may stand in each other.
const DEPTH_MAX: usize = 64;

/// Why a text is no condition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("condition {text:?}, at character {place}: {mistake}")]
pub struct ConditionError {
    /// The text.
    pub text: String,
    /// Where in it: the character, from 1.
    pub place: usize,
    /// What is wrong there.
    pub mistake: Mistake,
}

impl ConditionError {
    /// `at`: byte, from zero.
    pub(super) fn new(text: &str, at: usize, mistake: Mistake) -> Self {
        Self {
            text: text.to_owned(),
            place: text[..at].chars().count() + 1,
            mistake,
        }
    }
}

/// What is wrong at a place of a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// Nothing but space.
    #[error("nothing is written; a condition is for example rpm > 100")]
    Empty,
    /// Longer than anybody writes.
    #[error("it has {len} bytes, at most {LEN_MAX} are read")]
    TooLong {
        /// Bytes found.
        len: usize,
    },
    /// Brackets in brackets in brackets.
    #[error("too much stands in each other; write it in several conditions")]
    TooDeep,
    /// A quote that nothing closes.
    #[error("the name has no closing {quote}")]
    OpenQuote {
        /// The quote.
        quote: char,
    },
    /// Two quotes with nothing between.
    #[error("the name between the quotes is empty")]
    EmptyName,
    /// What starts with a digit and is no number.
    #[error(
        "{found:?} is no number; the name of a channel that starts with a digit stands in double quotes or backticks"
    )]
    BadNumber {
        /// What stands there.
        found: String,
    },
    /// A sign that means nothing here.
    #[error(
        "{found:?} means nothing here; the name of a channel that holds it stands in double quotes or backticks"
    )]
    BadSign {
        /// The sign.
        found: char,
    },
    /// What another language would write.
    #[error("write {wanted} instead of {found}")]
    Foreign {
        /// What stands there.
        found: &'static str,
        /// What is written here.
        wanted: &'static str,
    },
    /// Something else belongs here.
    #[error("found {found}, wanted {wanted}")]
    Unexpected {
        /// What stands there.
        found: String,
        /// What may stand there.
        wanted: &'static str,
    },
    /// A number where a condition belongs.
    #[error("this is a number, not a condition; compare it, as in {example}")]
    NotACondition {
        /// How.
        example: String,
    },
    /// A condition where a number belongs.
    #[error("this is a condition, not a number; conditions are joined by and, or, not, =>")]
    NotANumber,
    /// `a < b < c`.
    #[error("comparisons do not chain; write a < b and b < c")]
    Chained,
}

/// What a part of a condition stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Number,
    Truth,
}

/// A part that has been read: what it is, and where it starts.
#[derive(Debug, Clone, Copy)]
struct Part {
    sort: Sort,
    at: usize,
}

/// Steps, and the names that they count by.
pub(super) fn parse(text: &str) -> Result<(Vec<Step>, Vec<String>), ConditionError> {
    if text.len() > LEN_MAX {
        let mistake = Mistake::TooLong { len: text.len() };
        return Err(ConditionError::new("", 0, mistake));
    }
    if text.trim().is_empty() {
        return Err(ConditionError::new(text, 0, Mistake::Empty));
    }
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        next: 0,
        steps: Vec::new(),
        channels: Vec::new(),
        height: 0,
        depth: 0,
    };
    let whole = parser.implication()?;
    if !matches!(parser.peek(), Token::End) {
        return Err(parser.unexpected("and, or, =>, a comparison, or the end"));
    }
    parser.want(whole, Sort::Truth)?;
    Ok((parser.steps, parser.channels))
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    next: usize,
    steps: Vec<Step>,
    channels: Vec<String>,
    /// Numbers on the stack after the steps so far.
    height: usize,
    depth: usize,
}

impl Parser<'_> {
    fn implication(&mut self) -> Result<Part, ConditionError> {
        self.deeper(|parser| {
            let left = parser.disjunction()?;
            if parser.take("=>").is_none() {
                return Ok(left);
            }
            parser.want(left, Sort::Truth)?;
            let right = parser.implication()?;
            parser.want(right, Sort::Truth)?;
            parser.join(Step::Implies, left, Sort::Truth)
        })
    }

    fn disjunction(&mut self) -> Result<Part, ConditionError> {
        let mut left = self.conjunction()?;
        while self.take("or").is_some() {
            self.want(left, Sort::Truth)?;
            let right = self.conjunction()?;
            self.want(right, Sort::Truth)?;
            left = self.join(Step::Or, left, Sort::Truth)?;
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Part, ConditionError> {
        let mut left = self.negation()?;
        while self.take("and").is_some() {
            self.want(left, Sort::Truth)?;
            let right = self.negation()?;
            self.want(right, Sort::Truth)?;
            left = self.join(Step::And, left, Sort::Truth)?;
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Part, ConditionError> {
        let Some(at) = self.take("not") else {
            return self.comparison();
        };
        self.deeper(|parser| {
            let of = parser.negation()?;
            parser.want(of, Sort::Truth)?;
            parser.steps.push(Step::Not);
            Ok(Part { at, ..of })
        })
    }

    fn comparison(&mut self) -> Result<Part, ConditionError> {
        let left = self.sum()?;
        let Some(step) = self.comparator() else {
            return Ok(left);
        };
        self.next += 1;
        self.want(left, Sort::Number)?;
        let right = self.sum()?;
        self.want(right, Sort::Number)?;
        if self.comparator().is_some() {
            return Err(self.error(Mistake::Chained));
        }
        self.join(step, left, Sort::Truth)
    }

    fn comparator(&self) -> Option<Step> {
        let Token::Sign(sign) = self.peek() else {
            return None;
        };
        Some(match *sign {
            "<" => Step::Less,
            "<=" => Step::AtMost,
            ">" => Step::Greater,
            ">=" => Step::AtLeast,
            "==" => Step::Equal,
            "!=" => Step::Unequal,
            _ => return None,
        })
    }

    fn sum(&mut self) -> Result<Part, ConditionError> {
        let mut left = self.product()?;
        loop {
            let step = match self.peek() {
                Token::Sign("+") => Step::Add,
                Token::Sign("-") => Step::Subtract,
                _ => return Ok(left),
            };
            left = self.arithmetic(step, left, Self::product)?;
        }
    }

    fn product(&mut self) -> Result<Part, ConditionError> {
        let mut left = self.signed()?;
        loop {
            let step = match self.peek() {
                Token::Sign("*") => Step::Multiply,
                Token::Sign("/") => Step::Divide,
                _ => return Ok(left),
            };
            left = self.arithmetic(step, left, Self::signed)?;
        }
    }

    fn arithmetic(
        &mut self,
        step: Step,
        left: Part,
        operand: fn(&mut Self) -> Result<Part, ConditionError>,
    ) -> Result<Part, ConditionError> {
        self.next += 1;
        self.want(left, Sort::Number)?;
        let right = operand(self)?;
        self.want(right, Sort::Number)?;
        self.join(step, left, Sort::Number)
    }

    fn signed(&mut self) -> Result<Part, ConditionError> {
        let Some(at) = self.take("-") else {
            return self.primary();
        };
        self.deeper(|parser| {
            let of = parser.signed()?;
            parser.want(of, Sort::Number)?;
            parser.steps.push(Step::Negate);
            Ok(Part { at, ..of })
        })
    }

    fn primary(&mut self) -> Result<Part, ConditionError> {
        let at = self.at();
        let number = Part {
            sort: Sort::Number,
            at,
        };
        match self.peek().clone() {
            Token::Number(value) => {
                self.next += 1;
                self.push(Step::Number(value))?;
                Ok(number)
            }
            Token::Name(name) => {
                self.next += 1;
                let known = self.channels.iter().position(|channel| *channel == name);
                let idx = known.unwrap_or(self.channels.len());
                if known.is_none() {
                    self.channels.push(name);
                }
                self.push(Step::Channel(idx))?;
                Ok(number)
            }
            Token::Sign("(") => {
                self.next += 1;
                let inner = self.implication()?;
                self.close()?;
                Ok(Part { at, ..inner })
            }
            Token::Sign(function @ ("abs" | "min" | "max")) => {
                self.next += 1;
                self.call(function)?;
                Ok(number)
            }
            _ => Err(self.unexpected("a number, the name of a channel, or (")),
        }
    }

    fn call(&mut self, function: &str) -> Result<(), ConditionError> {
        // The word is a function only where a bracket follows.
        self.next += 1;
        let first = self.implication()?;
        self.want(first, Sort::Number)?;
        if function == "abs" {
            self.steps.push(Step::Abs);
            return self.close();
        }
        if self.take(",").is_none() {
            return Err(self.unexpected("a comma and the second number"));
        }
        let second = self.implication()?;
        self.want(second, Sort::Number)?;
        let step = if function == "min" { Step::Min } else { Step::Max };
        self.join(step, first, Sort::Number)?;
        self.close()
    }

    fn close(&mut self) -> Result<(), ConditionError> {
        match self.take(")") {
            Some(_) => Ok(()),
            None => Err(self.unexpected("a closing )")),
        }
    }

    /// Reads a part that may stand in itself, so deep and no deeper.
    fn deeper(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Part, ConditionError>,
    ) -> Result<Part, ConditionError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error(Mistake::TooDeep));
        }
        self.depth += 1;
        let part = read(self);
        self.depth -= 1;
        part
    }

    fn push(&mut self, step: Step) -> Result<(), ConditionError> {
        self.height += 1;
        if self.height > STACK_LEN {
            return Err(self.error(Mistake::TooDeep));
        }
        self.steps.push(step);
        Ok(())
    }

    /// One number of the two on top of the stack.
    fn join(&mut self, step: Step, left: Part, sort: Sort) -> Result<Part, ConditionError> {
        self.height -= 1;
        self.steps.push(step);
        Ok(Part { sort, at: left.at })
    }

    fn want(&self, part: Part, sort: Sort) -> Result<(), ConditionError> {
        let mistake = match (part.sort, sort) {
            (Sort::Number, Sort::Truth) => Mistake::NotACondition {
                example: match &self.tokens[self.token_at(part.at)].token {
                    Token::Name(name) => format!("{name} == 1"),
                    _ => "rpm > 100".to_owned(),
                },
            },
            (Sort::Truth, Sort::Number) => Mistake::NotANumber,
            _ => return Ok(()),
        };
        Err(ConditionError::new(self.text, part.at, mistake))
    }

    fn token_at(&self, at: usize) -> usize {
        let is_there = |placed: &Placed| placed.at == at;
        self.tokens.iter().position(is_there).unwrap_or(self.next)
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next].token
    }

    fn at(&self) -> usize {
        self.tokens[self.next].at
    }

    /// Takes that sign if it comes next, and says where it stood.
    fn take(&mut self, sign: &str) -> Option<usize> {
        let at = self.at();
        let is_next = matches!(self.peek(), Token::Sign(next) if *next == sign);
        self.next += usize::from(is_next);
        is_next.then_some(at)
    }

    fn error(&self, mistake: Mistake) -> ConditionError {
        ConditionError::new(self.text, self.at(), mistake)
    }

    fn unexpected(&self, wanted: &'static str) -> ConditionError {
        let found = match self.peek() {
            Token::Number(number) => number.to_string(),
            Token::Name(name) => format!("{name:?}"),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "the end".to_owned(),
        };
        self.error(Mistake::Unexpected { found, wanted })
    }
}
