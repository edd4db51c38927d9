//! Many questions at once: Benjamini and Hochberg's control of the share of false answers (1995).

/// q values of p values, in their order: naming all with q below a bound keeps the expected share of false ones among
/// them below it. NaN stays NaN and counts as not asked.
pub fn q_values(p_values: &[f64]) -> Vec<f64> {
    let mut asked: Vec<usize> = (0..p_values.len())
        .filter(|&idx| !p_values[idx].is_nan())
        .collect();
    asked.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let n = asked.len() as f64;
    let mut q_values = vec![f64::NAN; p_values.len()];
    let mut smallest: f64 = 1.0;
    for (rank, &idx) in asked.iter().enumerate().rev() {
        smallest = smallest.min(p_values[idx] * n / (rank + 1) as f64);
        q_values[idx] = smallest;
    }
    q_values
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn four_questions_by_hand() {
        // Sorted .01 .02 .03 .5: times 4/1, 4/2, 4/3, 4/4 gives .04 .04 .04 .5.
        let got = q_values(&[0.03, f64::NAN, 0.5, 0.01, 0.02]);
        assert!(got[1].is_nan());
        for (idx, want) in [(0, 0.04), (2, 0.5), (3, 0.04), (4, 0.04)] {
            assert_close(got[idx], want, 1e-12, "q");
        }
        assert!(q_values(&[]).is_empty());
    }
}
