//! How a step moves the weights along their gradient.

use crate::kernels::{AdamStep, Kernels};

/// A rule of descent; each with the defaults of `torch.optim`, but for what its fields say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimiser {
    /// Kingma and Ba 2015: β 0.9 and 0.999, ε 1e-8.
    Adam,
    /// Adam, and each weight shrinks by rate · decay besides (Loshchilov and Hutter 2019).
    AdamW {
        /// Share of itself that a weight loses per step and unit of the learning rate.
        decay: f32,
    },
    /// Hinton 2012: α 0.99, ε 1e-8.
    RmsProp,
    /// Descent with momentum (Polyak 1964); without dampening.
    Sgd {
        /// Share of the step before that is gone again.
        momentum: f32,
    },
    /// Duchi and others 2011: ε 1e-10.
    Adagrad,
}

/// One step of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descent {
    pub rate: f32,
    /// Factor on the gradient: clipping by norm, and the mean.
    pub gradient_scale: f32,
    /// Updates with this one.
    pub n_updates: i32,
}

/// Weights, and what an optimiser remembers of each.
#[derive(Debug)]
pub(crate) struct Moved<'a> {
    pub weights: &'a mut [f32],
    pub first: &'a mut [f32],
    pub second: &'a mut [f32],
    pub gradient: &'a [f32],
}

impl Optimiser {
    /// Moves a run of weights, a whole number of registers.
    pub(crate) fn descend(self, kernels: &Kernels, of: Moved<'_>, step: Descent) {
        let Moved {
            weights,
            first,
            second,
            gradient,
        } = of;
        let gradient_of = |at: usize| gradient[at] * step.gradient_scale;
        match self {
            Self::Adam => kernels.adam(weights, first, second, gradient, adam(step)),
            Self::AdamW { decay } => {
                let kept = 1.0 - step.rate * decay;
                weights.iter_mut().for_each(|weight| *weight *= kept);
                kernels.adam(weights, first, second, gradient, adam(step));
            }
            Self::RmsProp => {
                for (at, (weight, mean)) in weights.iter_mut().zip(second).enumerate() {
                    let g = gradient_of(at);
                    *mean = 0.99 * *mean + 0.01 * g * g;
                    *weight -= step.rate * g / (mean.sqrt() + 1e-8);
                }
            }
            Self::Sgd { momentum } => {
                for (at, (weight, velocity)) in weights.iter_mut().zip(first).enumerate() {
                    *velocity = momentum * *velocity + gradient_of(at);
                    *weight -= step.rate * *velocity;
                }
            }
            Self::Adagrad => {
                for (at, (weight, sum)) in weights.iter_mut().zip(second).enumerate() {
                    let g = gradient_of(at);
                    *sum += g * g;
                    *weight -= step.rate * g / (sum.sqrt() + 1e-10);
                }
            }
        }
    }
}

fn adam(step: Descent) -> AdamStep {
    let correction = |beta: f32| 1.0 - f64::from(beta).powi(step.n_updates);
    AdamStep {
        rate: (f64::from(step.rate) / correction(0.9)) as f32,
        second_scale: (1.0 / correction(0.999).sqrt()) as f32,
        gradient_scale: step.gradient_scale,
    }
}
