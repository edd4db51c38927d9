//! The few messages of `onnx.proto` that a network needs, written as protobuf's wire format says.
//!
//! Field numbers are those of ONNX IR version 8 (onnx 1.12, `onnx/onnx.proto`). Only writing is needed, and that is
//! three kinds of fields; a generator would bring a compiler of its own into the build.

/// Version of the file format: that of opset 17.
const IR_VERSION: u64 = 8;

/// Version of the operators.
const OPSET: u64 = 17;

/// A message under way.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(mut self, field: u32, value: u64) -> Self {
        self.key(field, 0);
        push_varint(&mut self.0, value);
        self
    }

    /// Two's complement, as protobuf writes an `int64`.
    fn int(self, field: u32, value: i64) -> Self {
        self.varint(field, value.cast_unsigned())
    }

    fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.key(field, 2);
        push_varint(&mut self.0, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u32, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        push_varint(&mut self.0, u64::from(field << 3 | wire_type));
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Types of elements, by their numbers in `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Float = 1,
    Int64 = 7,
    Bool = 9,
    Double = 11,
}

/// Constant numbers with a name.
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
    /// Little-endian, row-major.
    pub(super) bytes: Vec<u8>,
}

/// What a node is told beside its inputs.
#[derive(Debug)]
pub(super) enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
    Float(f32),
    Text(&'static str),
}

/// One operation.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) operator: &'static str,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) attributes: Vec<(&'static str, Attribute)>,
}

/// A size: known, or named where it is the caller's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    Known(usize),
    Named(&'static str),
}

/// What goes in or comes out.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) name: &'static str,
    pub(super) element: Element,
    pub(super) shape: Vec<Size>,
}

/// A network.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) name: String,
    pub(super) nodes: Vec<Node>,
    pub(super) constants: Vec<Constant>,
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
}

/// `ModelProto`.
pub(super) fn model(network: &Graph, notes: &[(&str, &str)]) -> Vec<u8> {
    let opset = Message::default().text(1, "").varint(2, OPSET);
    let mut model = Message::default()
        .varint(1, IR_VERSION)
        .text(2, "bellwether")
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, &graph(network))
        .message(8, &opset);
    for (key, value) in notes {
        model = model.message(14, &Message::default().text(1, key).text(2, value));
    }
    model.0
}

/// `GraphProto`.
fn graph(of: &Graph) -> Message {
    let mut message = Message::default();
    for node in &of.nodes {
        message = message.message(1, &self::node(node));
    }
    message = message.text(2, &of.name);
    for constant in &of.constants {
        message = message.message(5, &tensor(constant));
    }
    for input in &of.inputs {
        message = message.message(11, &port(input));
    }
    for output in &of.outputs {
        message = message.message(12, &port(output));
    }
    message
}

/// `NodeProto`.
fn node(of: &Node) -> Message {
    let mut message = Message::default();
    for input in &of.inputs {
        message = message.text(1, input);
    }
    for output in &of.outputs {
        message = message.text(2, output);
    }
    message = message.text(4, of.operator);
    for (name, value) in &of.attributes {
        message = message.message(5, &attribute(name, value));
    }
    message
}

/// `AttributeProto`; field 20 says which of the others counts.
fn attribute(name: &str, value: &Attribute) -> Message {
    let message = Message::default().text(1, name);
    match value {
        Attribute::Float(value) => message.float(2, *value).varint(20, 1),
        Attribute::Int(value) => message.int(3, *value).varint(20, 2),
        Attribute::Text(value) => message.text(4, value).varint(20, 3),
        Attribute::Ints(values) => {
            let message = values
                .iter()
                .fold(message, |message, value| message.int(8, *value));
            message.varint(20, 7)
        }
    }
}

/// `TensorProto`.
fn tensor(of: &Constant) -> Message {
    let dims = of.shape.iter();
    dims.fold(Message::default(), |message, dim| message.varint(1, *dim as u64))
        .varint(2, of.element as u64)
        .text(8, &of.name)
        .bytes(9, &of.bytes)
}

/// `ValueInfoProto`.
fn port(of: &Port) -> Message {
    let mut shape = Message::default();
    for size in &of.shape {
        let dim = match size {
            Size::Known(size) => Message::default().varint(1, *size as u64),
            Size::Named(name) => Message::default().text(2, name),
        };
        shape = shape.message(1, &dim);
    }
    let tensor = Message::default().varint(1, of.element as u64).message(2, &shape);
    Message::default()
        .text(1, of.name)
        .message(2, &Message::default().message(1, &tensor))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of the protobuf encoding guide (protobuf.dev/programming-guides/encoding).
    #[test]
    fn fields_are_written_as_the_guide_says() {
        assert_eq!(Message::default().varint(1, 150).0, [0x08, 0x96, 0x01]);
        assert_eq!(
            Message::default().text(2, "testing").0,
            [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]
        );
        let inner = Message::default().varint(1, 150);
        assert_eq!(
            Message::default().message(3, &inner).0,
            [0x1a, 0x03, 0x08, 0x96, 0x01]
        );
        let minus_two = Message::default().int(1, -2).0;
        assert_eq!(
            minus_two,
            [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
        );
    }
}
