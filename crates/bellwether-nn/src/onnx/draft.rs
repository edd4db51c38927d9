//! Operators and constants as they are put together.

use super::proto::{Attribute, Constant, Element, Node};

/// A graph under way.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) nodes: Vec<Node>,
    pub(super) constants: Vec<Constant>,
}

impl Draft {
    /// Adds an operation with one output, and gives its name.
    pub(super) fn node(
        &mut self,
        operator: &'static str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> String {
        self.nodes.push(Node {
            operator,
            inputs: inputs.iter().map(ToString::to_string).collect(),
            outputs: vec![output.to_owned()],
            attributes,
        });
        output.to_owned()
    }

    pub(super) fn constant(
        &mut self,
        name: &str,
        element: Element,
        shape: &[usize],
        bytes: Vec<u8>,
    ) -> String {
        self.constants.push(Constant {
            name: name.to_owned(),
            element,
            shape: shape.to_vec(),
            bytes,
        });
        name.to_owned()
    }

    /// Whole numbers, `[n]`.
    pub(super) fn ints(&mut self, name: &str, values: &[usize]) -> String {
        let values: Vec<i64> = values.iter().map(|value| *value as i64).collect();
        self.signed(name, &values)
    }

    /// The same where some may be negative.
    pub(super) fn signed(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, Element::Int64, &[values.len()], bytes)
    }

    /// One number.
    pub(super) fn double(&mut self, name: &str, value: f64) -> String {
        self.constant(name, Element::Double, &[], value.to_le_bytes().to_vec())
    }

    pub(super) fn float(&mut self, name: &str, value: f32) -> String {
        self.constant(name, Element::Float, &[], value.to_le_bytes().to_vec())
    }

    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, Element::Float, shape, bytes)
    }

    pub(super) fn cast(&mut self, input: &str, output: &str, to: Element) -> String {
        self.node("Cast", &[input], output, vec![("to", Attribute::Int(to as i64))])
    }

    /// Samples `from..to` of `[n_windows, len, n]`.
    pub(super) fn samples(&mut self, input: &str, output: &str, from: usize, to: usize) -> String {
        let (from, to) = (
            self.ints(&format!("{output}.from"), &[from]),
            self.ints(&format!("{output}.to"), &[to]),
        );
        self.node("Slice", &[input, &from, &to, "axis_1"], output, Vec::new())
    }
}
