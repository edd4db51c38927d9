//! From the gradients of the first layer's gates to those of the inputs: nothing that training needs.

use super::Block;
use crate::network::weights::Layout;

impl Block {
    /// Gradient of the summed loss with respect to the inputs of one window at `step`, after [`Block::backward`].
    ///
    /// # Shapes
    /// `weights`: packed; `out: [n_inputs]`.
    pub(crate) fn input_gradient(
        &self,
        layout: &Layout,
        weights: &[f32],
        row: usize,
        step: usize,
        out: &mut [f32],
    ) {
        let (layer, gate_width) = (&layout.layers[0], layout.kernels.gate_width());
        let of_step = &self.layers[0].gates[step * self.rows * layer.n_blocks * gate_width..];
        out.fill(0.0);
        for block in 0..layer.n_blocks {
            let gates = &of_step[(block * self.rows + row) * gate_width..][..gate_width];
            let rows = &weights[layer.weights.start + block * layer.block(gate_width)..];
            for (out, of_input) in out.iter_mut().zip(rows.chunks_exact(gate_width)) {
                let products = gates.iter().zip(of_input).map(|(gate, weight)| gate * weight);
                *out += products.sum::<f32>();
            }
        }
    }
}
