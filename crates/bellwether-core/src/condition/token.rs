//! The words that a condition is made of.

use super::parse::{ConditionError, Mistake};

/// A word, and where it starts: the byte, from zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Name(String),
    /// One of [`WORDS`], [`SIGNS`] or [`FUNCTIONS`].
    Sign(&'static str),
    End,
}

/// Words that are no names.
const WORDS: [&str; 3] = ["and", "or", "not"];

/// Functions: names where no bracket follows.
const FUNCTIONS: [&str; 3] = ["abs", "min", "max"];

/// Signs, longer ones before those that they start with.
const SIGNS: [&str; 14] = [
    "=>", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")", ",",
];

/// What other languages write, and what is written here.
const FOREIGN: [(&str, &str); 9] = [
    ("&&", "and"),
    ("||", "or"),
    ("&", "and"),
    ("|", "or"),
    ("!", "not"),
    ("<>", "!="),
    ("->", "=>"),
    ("→", "=>"),
    ("=", "=="),
];

/// The words of `text`, the last of them [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, ConditionError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, len) = next(text, at, first)?;
        found.push(Placed { token, at });
        at += len;
    }
    found.push(Placed {
        token: Token::End,
        at,
    });
    Ok(found)
}

/// The word at byte `at`, and its length in bytes.
fn next(text: &str, at: usize, first: char) -> Result<(Token, usize), ConditionError> {
    let rest = &text[at..];
    let error = |mistake| Err(ConditionError::new(text, at, mistake));
    if first == '"' || first == '`' {
        return match rest[1..].split_once(first) {
            Some(("", _)) => error(Mistake::EmptyName),
            Some((name, _)) => Ok((Token::Name(name.to_owned()), name.len() + 2)),
            None => error(Mistake::OpenQuote { quote: first }),
        };
    }
    if first.is_ascii_digit() || first == '.' {
        let len = number_len(rest);
        return match rest[..len].parse::<f64>() {
            Ok(number) if number.is_finite() => Ok((Token::Number(number), len)),
            _ => error(Mistake::BadNumber {
                found: rest[..len].to_owned(),
            }),
        };
    }
    if is_of_name(first) {
        let len = rest.find(|sign| !is_of_name(sign)).unwrap_or(rest.len());
        let name = &rest[..len];
        let is_called = rest[len..].trim_start().starts_with('(');
        let known = WORDS.iter().chain(FUNCTIONS.iter().filter(|_| is_called));
        return Ok(match known.into_iter().find(|word| **word == name) {
            Some(word) => (Token::Sign(word), len),
            None => (Token::Name(name.to_owned()), len),
        });
    }
    let starts = |sign: &&str| rest.starts_with(*sign);
    let foreign = FOREIGN.iter().find(|(theirs, _)| starts(theirs));
    let own = SIGNS.iter().find(|sign| starts(sign));
    match (own, foreign) {
        // `->` and `<>` start with signs of ours, `=` and `!` with those of theirs.
        (Some(sign), Some((theirs, ours))) if theirs.len() > sign.len() => error(Mistake::Foreign {
            found: theirs,
            wanted: ours,
        }),
        (Some(sign), _) => Ok((Token::Sign(sign), sign.len())),
        (None, Some((theirs, ours))) => error(Mistake::Foreign {
            found: theirs,
            wanted: ours,
        }),
        (None, None) => error(Mistake::BadSign { found: first }),
    }
}

fn is_of_name(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_' || sign == '.'
}

/// How far what starts like a number reaches, letters that hang on to it included: `12abc` is no number.
fn number_len(rest: &str) -> usize {
    let mut last = ' ';
    let is_beyond = |sign: char| {
        let is_exponent = matches!(sign, '+' | '-') && matches!(last, 'e' | 'E');
        last = sign;
        !is_of_name(sign) && !is_exponent
    };
    rest.find(is_beyond).unwrap_or(rest.len())
}
