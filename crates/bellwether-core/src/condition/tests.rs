//! Conditions against arithmetic done by hand, against a tree of its own making, and against every kind of mistake.

use super::*;
use proptest::prelude::*;

const NAN: f64 = f64::NAN;

/// What a condition says of a row `a b c`.
fn says(text: &str, row: [f64; 3]) -> Option<bool> {
    let channels = ["a", "b", "c"].map(Channel::new);
    let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{error}"));
    condition.bind(&channels).unwrap().holds(&row)
}

#[test]
fn conditions_are_worked_out_as_written() {
    let check = |text: &str, row: [f64; 3], expect: bool| {
        assert_eq!(says(text, row), Some(expect), "{text} of {row:?}");
    };
    let row = [1.0, 2.0, 3.0];
    check("a < b", row, true);
    check("a<b and b<c", row, true);
    check("a + b == c", row, true);
    // Products before sums, from left to right: 2 − 3 − 1 = −2, 3 / 2 / 1 = 1.5.
    check("a + b * c == 7", row, true);
    check("(a + b) * c == 9", row, true);
    check("b - c - a == -2", row, true);
    check("c / b / a == 1.5", row, true);
    check("-b * -c == 6", row, true);
    check("b - -c == 5", row, true);
    check("abs(a - c) == 2", row, true);
    check("min(a, b) + max(b, c) == 4", row, true);
    check("min(max(a, 2.5), abs(-c)) == 2.5", row, true);
    check("1.5e1 == 15 and .5 == 5e-1", row, true);
    check("a != a", row, false);
    check("a >= 1 and a <= 1 and not a > 1 and not a < 1", row, true);
    // `and` before `or`, `not` before `and`, `=>` last and from the right.
    check("a == 1 or a == 2 and a == 3", row, true);
    check("(a == 1 or a == 2) and a == 3", row, false);
    check("not a == 2 and b == 2", row, true);
    check("not (a == 1 and b == 2)", row, false);
    check("a == 2 => b == 7", row, true);
    check("a == 1 => b == 7", row, false);
    check("a == 2 => b == 2 => c == 7", row, true);
    check("(a == 2 => b == 2) => c == 7", row, false);
    check("a > 0 or b > 0 => c == 3", row, true);
}

#[test]
fn names_may_be_anything_in_quotes() {
    let channels = ["oil temp", "and", "Ölstand", "p.1", "2nd", "abs", "a`b"].map(Channel::new);
    let check = |text: &str, expect: &[usize]| {
        let bound = Condition::parse(text).unwrap().bind(&channels).unwrap();
        assert_eq!(bound.channels(), expect, "{text}");
    };
    check("\"oil temp\" > 3 and `oil temp` < 9", &[0]);
    check("`and` > 3", &[1]);
    check("Ölstand > 3 or p.1 == 0", &[2, 3]);
    check("`2nd` > 3 or \"a`b\" == 1", &[4, 6]);
    // A function is one only where a bracket follows.
    check("abs > 3 and abs (abs) > 2", &[5]);
    let condition = Condition::parse("  b > a and b > 1 ").unwrap();
    assert_eq!(condition.channels().collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(condition.to_string(), "b > a and b > 1");
}

#[test]
fn what_is_missing_makes_unknown_what_depends_on_it() {
    let check = |text: &str, row: [f64; 3], expect: Option<bool>| {
        assert_eq!(says(text, row), expect, "{text} of {row:?}");
    };
    let row = [1.0, NAN, 3.0];
    for comparison in ["<", "<=", ">", ">=", "==", "!="] {
        check(&format!("a {comparison} b"), row, None);
        check(&format!("not b {comparison} a"), row, None);
    }
    check("a == 1 or b == 1", row, Some(true));
    check("b == 1 or a == 2", row, None);
    check("a == 2 and b == 1", row, Some(false));
    check("b == 1 and a == 1", row, None);
    check("a == 2 => b == 1", row, Some(true));
    check("a == 1 => b == 1", row, None);
    check("b == 1 => a == 1", row, Some(true));
    check("b == 1 => a == 2", row, None);
    check("min(a, b) > 0", row, None);
    check("max(b, a) > 0", row, None);
    check("a + b * 0 == 1", row, None);
    // No number is divided by zero.
    check("a / 0 > 5", row, None);
    check("c != 0 and a / (c - 3) > 5", row, None);
    check("c != 3 and a / (c - 3) > 5", row, Some(false));
}

#[test]
fn every_mistake_has_its_place() {
    let check = |text: &str, place: usize, expect: &str| {
        let error = Condition::parse(text).unwrap_err();
        assert_eq!(error.place, place, "{error}");
        assert!(error.to_string().contains(expect), "{error}");
    };
    check("", 1, "nothing is written");
    check("   ", 1, "nothing is written");
    check(
        "flow",
        1,
        "this is a number, not a condition; compare it, as in flow == 1",
    );
    check("a + 1", 1, "compare it, as in a == 1");
    check("3 + a", 1, "compare it, as in rpm > 100");
    check("a > 1 and b", 11, "compare it, as in b == 1");
    check("not a", 5, "compare it");
    check("a => b > 1", 1, "compare it");
    check("(a > 1) + 2 > 3", 1, "not a number");
    check("2 + (a > 1) > 3", 5, "not a number");
    check("abs(a > 1) > 3", 5, "not a number");
    check("a < b < c", 7, "do not chain; write a < b and b < c");
    check("a >", 4, "found the end, wanted a number");
    check(
        "a > 1 b",
        7,
        "found \"b\", wanted and, or, =>, a comparison, or the end",
    );
    check("(a > 1", 7, "wanted a closing )");
    check("a > 1)", 6, "found \")\"");
    check("min(a) > 1", 6, "wanted a comma");
    check("max(a, b, c) > 1", 9, "wanted a closing )");
    check("a > and", 5, "found \"and\"");
    check("a = 1", 3, "write == instead of =");
    check("a == 1 && b == 1", 8, "write and instead of &&");
    check("a == 1 || b == 1", 8, "write or instead of ||");
    check("!(a == 1)", 1, "write not instead of !");
    check("a <> 1", 3, "write != instead of <>");
    check("a > 1 -> b > 1", 7, "write => instead of ->");
    check("a > 1 → b > 1", 7, "write => instead of →");
    check("a > 1 # why", 7, "'#' means nothing here");
    check("Öl°C > 1", 3, "stands in double quotes or backticks");
    check("2nd > 1", 1, "\"2nd\" is no number; the name of a channel");
    check("a > 1.2.3", 5, "\"1.2.3\" is no number");
    check("a > 1e999", 5, "is no number");
    check("a > .", 5, "is no number");
    check("\"oil temp > 1", 1, "no closing \"");
    check("a > `", 5, "no closing `");
    check("`` > 1", 1, "is empty");
    check(&"a > 1 and ".repeat(500), 1, "at most 4096");
    check(&"(".repeat(1000), 65, "too much stands in each other");
    check(&format!("{}a > 1", "not ".repeat(1000)), 257, "too much");
    check(&format!("a > {}1", "-".repeat(1000)), 69, "too much");
    let nested = format!("a > {}{}", "1 + (".repeat(40), "1".to_owned() + &")".repeat(40));
    assert_eq!(Condition::parse(&nested).unwrap_err().mistake, Mistake::TooDeep);
    // Long is not deep.
    assert!(Condition::parse(&format!("a > 1{}", " + 1".repeat(900))).is_ok());
}

#[test]
fn an_unknown_channel_is_named_with_those_like_it() {
    let channels = ["flow_l_min", "pump_on"].map(Channel::new);
    let condition = Condition::parse("flow_lmin > 1 => pumpon == 1 and zzz > 2").unwrap();
    let error = condition.bind(&channels).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"flow_lmin > 1 => pumpon == 1 and zzz > 2\" names what the data lack: no channel \"flow_lmin\" (did you \
         mean \"flow_l_min\"?), no channel \"pumpon\" (did you mean \"pump_on\"?), no channel \"zzz\""
    );
}

/// A condition as a tree: what the text of it must mean, worked out in another way.
#[derive(Debug, Clone)]
enum Tree {
    Compare(&'static str, Box<Sum>, Box<Sum>),
    Join(&'static str, Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
}

#[derive(Debug, Clone)]
enum Sum {
    Number(i8),
    Channel(usize),
    Join(char, Box<Sum>, Box<Sum>),
    Negate(Box<Sum>),
}

impl Sum {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => format!("({number})"),
            Self::Channel(idx) => ["a", "b", "c"][*idx].to_owned(),
            Self::Join(sign, x, y) => format!("({} {sign} {})", x.text(), y.text()),
            Self::Negate(x) => format!("-{}", x.text()),
        }
    }

    fn value(&self, row: [Option<f64>; 3]) -> Option<f64> {
        match self {
            Self::Number(number) => Some(f64::from(*number)),
            Self::Channel(idx) => row[*idx],
            Self::Negate(x) => Some(-x.value(row)?),
            Self::Join(sign, x, y) => {
                let (x, y) = (x.value(row)?, y.value(row)?);
                match sign {
                    '+' => Some(x + y),
                    '-' => Some(x - y),
                    '*' => Some(x * y),
                    _ => (y != 0.0).then(|| x / y),
                }
            }
        }
    }
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Compare(sign, x, y) => format!("{} {sign} {}", x.text(), y.text()),
            Self::Join(sign, x, y) => format!("({}) {sign} ({})", x.text(), y.text()),
            Self::Not(x) => format!("not ({})", x.text()),
        }
    }

    #[expect(clippy::float_cmp, reason = "== of the language is exact")]
    fn value(&self, row: [Option<f64>; 3]) -> Option<bool> {
        match self {
            Self::Compare(sign, x, y) => {
                let (x, y) = (x.value(row)?, y.value(row)?);
                Some(match *sign {
                    "<" => x < y,
                    "<=" => x <= y,
                    ">" => x > y,
                    ">=" => x >= y,
                    "==" => x == y,
                    _ => x != y,
                })
            }
            Self::Not(x) => x.value(row).map(|x| !x),
            Self::Join(sign, x, y) => {
                let (x, y) = (x.value(row), y.value(row));
                match (*sign, x, y) {
                    ("and", Some(false), _) | ("and", _, Some(false)) => Some(false),
                    ("and", x, y) => Some(x? && y?),
                    ("or", Some(true), _) | ("or", _, Some(true)) => Some(true),
                    ("or", x, y) => Some(x? || y?),
                    (_, Some(false), _) | (_, _, Some(true)) => Some(true),
                    (_, x, y) => Some(!x? || y?),
                }
            }
        }
    }
}

fn sums() -> impl Strategy<Value = Sum> {
    let leaf = prop_oneof![
        any::<i8>().prop_map(Sum::Number),
        (0..3_usize).prop_map(Sum::Channel)
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            ("[-+*/]", inner.clone(), inner.clone()).prop_map(|(sign, x, y)| {
                let sign = sign.chars().next().unwrap();
                Sum::Join(sign, Box::new(x), Box::new(y))
            }),
            inner.prop_map(|x| Sum::Negate(Box::new(x))),
        ]
    })
}

fn trees() -> impl Strategy<Value = Tree> {
    let signs = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let leaf = (signs, sums(), sums()).prop_map(|(sign, x, y)| Tree::Compare(sign, Box::new(x), Box::new(y)));
    leaf.prop_recursive(4, 16, 2, |inner| {
        let words = prop::sample::select(vec!["and", "or", "=>"]);
        prop_oneof![
            (words, inner.clone(), inner.clone()).prop_map(|(word, x, y)| Tree::Join(
                word,
                Box::new(x),
                Box::new(y)
            )),
            inner.prop_map(|x| Tree::Not(Box::new(x))),
        ]
    })
}

proptest! {
    #[test]
    fn a_written_tree_means_what_the_tree_means(
        tree in trees(),
        row in prop::array::uniform3(prop::option::weighted(0.8, (-3..4_i8).prop_map(f64::from))),
    ) {
        let values = row.map(|value| value.unwrap_or(NAN));
        prop_assert_eq!(says(&tree.text(), values), tree.value(row), "{}", tree.text());
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[ab0-9.<>=!()+*/, \"`&|eandornot°-]{0,40}") {
        if let Err(error) = Condition::parse(&text) {
            prop_assert!(error.place >= 1 && error.place <= text.chars().count() + 1, "{}", error);
        }
    }
}
