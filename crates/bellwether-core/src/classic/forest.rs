//! Binary trees as rows of numbers: those of the isolation forest and of the robust random cut forest.

use super::layout::{PartsError, check_len, check_numbers};
use super::parts::{Parts, Tensor};
use crate::quantile::{median_sorted, sorted_finite};

/// Most nodes of all trees.
const NODES_MAX: usize = 1 << 20;

/// The nodes of all trees, one tree after the other, children behind their parents.
#[derive(Debug, Default)]
pub(super) struct Trees {
    /// First node of each tree, `[n_trees]`.
    pub(super) roots: Vec<u32>,
    /// Training rows below each node, `[n_nodes]`, at least one.
    pub(super) n_rows: Vec<u32>,
    /// What each node splits at: rows up to the threshold go left. `[n_nodes]` each; unused in a leaf.
    channel: Vec<u32>,
    threshold: Vec<f64>,
    /// `[n_nodes, 2]`; 0 and 0 in a leaf: no node has the first as its child.
    children: Vec<u32>,
}

impl Trees {
    /// A new leaf.
    pub(super) fn push(&mut self, n_rows: usize) -> usize {
        self.n_rows.push(n_rows as u32);
        self.channel.push(0);
        self.threshold.push(0.0);
        self.children.extend([0, 0]);
        self.n_rows.len() - 1
    }

    /// Makes a leaf a node with children, which stand behind it.
    pub(super) fn set_split(&mut self, node: usize, channel: usize, threshold: f64, children: [usize; 2]) {
        self.channel[node] = channel as u32;
        self.threshold[node] = threshold;
        self.children[2 * node] = children[0] as u32;
        self.children[2 * node + 1] = children[1] as u32;
    }

    /// Channel, threshold and children; `None` for a leaf.
    pub(super) fn split(&self, node: usize) -> Option<(usize, f64, [usize; 2])> {
        let children = [self.children[2 * node], self.children[2 * node + 1]];
        let children = children.map(|child| child as usize);
        (children[0] > 0).then(|| (self.channel[node] as usize, self.threshold[node], children))
    }

    pub(super) fn n_nodes(&self) -> usize {
        self.n_rows.len()
    }

    pub(super) fn n_leaves(&self) -> usize {
        (0..self.n_nodes())
            .filter(|&node| self.split(node).is_none())
            .count()
    }

    pub(super) fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        vec![
            ("roots", self.roots.clone().into()),
            ("n_rows", self.n_rows.clone().into()),
            ("channel", self.channel.clone().into()),
            ("threshold", self.threshold.clone().into()),
            ("children", self.children.clone().into()),
        ]
    }

    /// Trees from outside: every walk from a root ends, and stays within them.
    pub(super) fn from_parts(parts: &Parts, n_active: usize) -> Result<Self, PartsError> {
        let wrong = |name, at, why| Err(PartsError::Value { name, at, why });
        let n_rows = parts.u32s_of_any_len("n_rows")?;
        let n_nodes = n_rows.len();
        let n_trees = parts.setting("n_trees")?;
        if !(1..=NODES_MAX).contains(&n_nodes) || !(1..=n_nodes).contains(&n_trees) {
            return wrong("n_trees", 0, "0, or more than there are nodes");
        }
        let trees = Self {
            roots: parts.u32s("roots", n_trees)?,
            n_rows,
            channel: parts.u32s("channel", n_nodes)?,
            threshold: parts.f64s_of_any_len("threshold")?,
            children: parts.u32s_of_any_len("children")?,
        };
        check_numbers("threshold", &trees.threshold, n_nodes)?;
        check_len("children", trees.children.len(), 2 * n_nodes)?;
        if let Some(at) = trees.roots.iter().position(|&root| root as usize >= n_nodes) {
            return wrong("roots", at, "not the position of a node");
        }
        for node in 0..n_nodes {
            let children = &trees.children[2 * node..2 * node + 2];
            let is_leaf = children == [0, 0];
            let is_behind = |child: &u32| (node + 1..n_nodes).contains(&(*child as usize));
            if !is_leaf && !children.iter().all(is_behind) {
                return wrong(
                    "children",
                    2 * node,
                    "not the position of a node behind its parent",
                );
            }
            let of_children: u64 = children
                .iter()
                .map(|&child| u64::from(trees.n_rows[child as usize]))
                .sum();
            if trees.n_rows[node] == 0 || !is_leaf && of_children != u64::from(trees.n_rows[node]) {
                return wrong("n_rows", node, "0, or not the sum of its children's");
            }
            if trees.channel[node] as usize >= n_active {
                return wrong("channel", node, "not the position of an active channel");
            }
        }
        Ok(trees)
    }
}

/// The median of each column; 0 where there is no value.
pub(super) fn medians(columns: Vec<Vec<f64>>) -> Vec<f64> {
    let median = |column| median_sorted(&sorted_finite(column));
    let medians = columns.into_iter().map(median);
    medians
        .map(|median| if median.is_nan() { 0.0 } else { median })
        .collect()
}
