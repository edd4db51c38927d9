//! Functions of single numbers, and their slopes.

use super::sequence::Seq;
use crate::kernels::{Kernels, Map};
use crate::network::spec::Activation;

/// Slope of the leaky rectifier below zero.
const LEAK: f32 = 0.01;

/// Replaces every number by what the function makes of it.
pub(super) fn activate(kernels: &Kernels, of: Activation, seq: &mut Seq) {
    for line in seq.lines_mut() {
        match of {
            Activation::Linear => {}
            Activation::Relu => line.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x }),
            Activation::LeakyRelu => line
                .iter_mut()
                .for_each(|x| *x = if *x < 0.0 { LEAK * *x } else { *x }),
            Activation::Elu => elu(kernels, line),
            Activation::Tanh => kernels.map(Map::Tanh, line),
            Activation::Sigmoid => kernels.map(Map::Sigmoid, line),
        }
    }
}

/// `e^x - 1` below zero. The exponential of a register takes numbers up to 80 only: those above zero are kept out.
fn elu(kernels: &Kernels, line: &mut [f32]) {
    const PIECE: usize = 64;
    for piece in line.chunks_mut(PIECE) {
        let mut below = [0.0_f32; PIECE];
        let below = &mut below[..piece.len()];
        for (below, x) in below.iter_mut().zip(&*piece) {
            *below = if *x > 0.0 { 0.0 } else { *x };
        }
        kernels.map(Map::Exp, below);
        for (x, e) in piece.iter_mut().zip(&*below) {
            *x = if *x > 0.0 { *x } else { e - 1.0 };
        }
    }
}

/// Turns the gradient of what the function gave, `y`, into that of what it took.
pub(super) fn slope(of: Activation, y: &Seq, dy: &mut Seq) {
    let slope: fn(f32) -> f32 = match of {
        Activation::Linear => return,
        Activation::Relu => |y| if y > 0.0 { 1.0 } else { 0.0 },
        Activation::LeakyRelu => |y| if y > 0.0 { 1.0 } else { LEAK },
        Activation::Elu => |y| if y > 0.0 { 1.0 } else { y + 1.0 },
        Activation::Tanh => |y| 1.0 - y * y,
        Activation::Sigmoid => |y| y * (1.0 - y),
    };
    for (dy, y) in dy.lines_mut().zip(y.lines()) {
        for (dy, y) in dy.iter_mut().zip(y) {
            *dy *= slope(*y);
        }
    }
}
