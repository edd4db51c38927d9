//! Why a layer cannot be where it is: the facts of each case.

use super::architecture::SIZE_MAX;
use super::plan::SeqShape;

/// Why a layer cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerProblem {
    /// A size out of range.
    #[error("{name}: {got} is not in 1..={SIZE_MAX}")]
    Size {
        /// The setting.
        name: &'static str,
        /// What it is.
        got: usize,
    },
    /// A number out of range.
    #[error("{name}: {got} is out of range; wanted {want}")]
    Number {
        /// The setting.
        name: &'static str,
        /// What it is.
        got: f64,
        /// What it may be.
        want: &'static str,
    },
    /// A convolution that reaches too far.
    #[error("kernel and dilation reach {got} steps back; wanted at most {most}")]
    Reach {
        /// Steps.
        got: usize,
        /// At most.
        most: usize,
    },
    /// What enters has the wrong shape.
    #[error("{got} enters, wanted {want}")]
    Shape {
        /// What enters.
        got: SeqShape,
        /// What should, and what to do.
        want: &'static str,
    },
    /// The width cannot be cut.
    #[error("{got} enters: a width of {} is not {heads} equal parts; give other heads, or a `dense` layer before it", got.width)]
    Heads {
        /// What enters.
        got: SeqShape,
        /// Parts wanted.
        heads: usize,
    },
    /// Two sequences cannot be added.
    #[error("{got} enters and {from:?} gives {other}: only like shapes are added; put a `dense` layer of {} units before it", other.width)]
    Unlike {
        /// What enters.
        got: SeqShape,
        /// The name of the other.
        from: String,
        /// What that gives.
        other: SeqShape,
    },
    /// What is added comes later.
    #[error("from {from:?} is layer {layer}, which is not above this one: it would go in a circle")]
    Cycle {
        /// The name.
        from: String,
        /// Its place, from 1.
        layer: usize,
    },
    /// No layer has that name.
    #[error("from {from:?}: no layer above has that name; there are {}", known.join(", "))]
    Unknown {
        /// The name.
        from: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A name twice.
    #[error("the name {name:?} is taken")]
    Name {
        /// The name.
        name: String,
    },
    /// Too many values within.
    #[error(
        "{got} enters and makes {n} numbers per window within, more than {most}; use fewer units or a shorter window"
    )]
    Inner {
        /// What enters.
        got: SeqShape,
        /// Numbers.
        n: usize,
        /// At most so many.
        most: usize,
    },
    /// Too many values.
    #[error("gives {got}, which is more than {most} numbers per window; use fewer units or a shorter window")]
    Values {
        /// What it gives.
        got: SeqShape,
        /// At most so many.
        most: usize,
    },
}
