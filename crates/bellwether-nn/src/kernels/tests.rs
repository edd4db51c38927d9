//! Vector kernels against plain loops, and against each other.

use super::*;

/// Numbers in [-1, 1] from a small generator: the tests need variety, not quality.
fn numbers(seed: u32, n: usize) -> Aligned {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut out = Aligned::zeroed(n);
    for x in out.iter_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *x = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
    }
    out
}

fn close(got: f32, want: f64, what: &str) {
    assert!(
        (f64::from(got) - want).abs() <= 2e-6 * want.abs().max(1.0),
        "{what}: got {got}, want {want}"
    );
}

#[test]
fn product_equals_the_plain_loop_and_a_row_does_not_feel_its_neighbours() {
    for kernels in Kernels::available() {
        for n_vectors in 1..=9 {
            let (inner, width) = (7, n_vectors * kernels.lanes);
            let (b, init) = (numbers(1, inner * width), numbers(2, width));
            let a = numbers(3, 29 * inner);
            let run = |rows: usize, first: usize| {
                let mut c = Aligned::zeroed(rows * width);
                kernels.matmul(MatMul {
                    rows,
                    a: &a[first * inner..],
                    a_stride: inner,
                    n_blocks: 1,
                    block_stride: 0,
                    inner,
                    b: &b,
                    n_vectors,
                    init: Some(&init),
                    c: &mut c,
                    c_stride: width,
                });
                c
            };
            let all = run(29, 0);
            for (row, first_output) in [(0, 0), (17, 0), (28, width - 1)] {
                let (at, vectors, first) = kernels
                    .panels(inner, n_vectors)
                    .filter(|panel| panel.2 <= first_output)
                    .last()
                    .expect("a panel");
                let column = first_output - first;
                let want: f64 = (0..inner)
                    .map(|k| {
                        f64::from(a[row * inner + k])
                            * f64::from(b[at + k * vectors * kernels.lanes + column])
                    })
                    .sum::<f64>()
                    + f64::from(init[first_output]);
                close(all[row * width + first_output], want, kernels.name);
            }
            for rows in 1..=13 {
                let some = run(rows, 5);
                assert_eq!(
                    &some[..],
                    &all[5 * width..(5 + rows) * width],
                    "{} rows {rows}",
                    kernels.name
                );
            }
        }
    }
}

#[test]
fn outer_sum_equals_the_plain_loop() {
    for kernels in Kernels::available() {
        for (n_vectors, inner) in [(1, 3), (2, 13), (3, 5), (4, 25), (6, 9)] {
            let (rows, n_steps, width) = (5, 3, n_vectors * kernels.lanes);
            let (a, b) = (
                numbers(4, n_steps * rows * inner),
                numbers(5, n_steps * rows * width),
            );
            for adds in [true, false] {
                let mut c = Aligned::zeroed(inner * width);
                c.fill(0.5);
                kernels.outer_sum(OuterSum {
                    a: &a,
                    a_stride: inner,
                    a_step: rows * inner,
                    inner,
                    b: &b,
                    b_stride: width,
                    b_step: rows * width,
                    n_steps,
                    rows,
                    n_vectors,
                    adds,
                    c: &mut c,
                });
                for (at, vectors, first) in kernels.panels(inner, n_vectors) {
                    for k in 0..inner {
                        let want: f64 = (0..n_steps * rows)
                            .map(|row| f64::from(a[row * inner + k]) * f64::from(b[row * width + first]))
                            .sum::<f64>()
                            + if adds { 0.5 } else { 0.0 };
                        close(c[at + k * vectors * kernels.lanes], want, kernels.name);
                    }
                }
            }
        }
    }
}

/// The LSTM cell in double precision: i, f, g, o before activation, c before → (c, h).
fn cell_reference(z: [f64; 4], c: f64) -> (f64, f64) {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let c = sigmoid(z[1]) * c + sigmoid(z[0]) * z[2].tanh();
    (c, sigmoid(z[3]) * c.tanh())
}

#[test]
fn a_step_equals_the_textbook_cell_over_the_whole_range() {
    for kernels in Kernels::available() {
        let gate_width = kernels.gate_width();
        for scale in [0.1_f32, 1.0, 10.0, 100.0, 1e6] {
            let mut bias = numbers(7, gate_width);
            bias.iter_mut().for_each(|b| *b *= scale);
            let h_before = Aligned::zeroed(kernels.lanes);
            let before = numbers(8, kernels.lanes);
            for training in [false, true] {
                let (mut c, mut h) = (before.clone(), Aligned::zeroed(kernels.lanes));
                let mut gates = Aligned::zeroed(gate_width);
                kernels.lstm_step(LstmStep {
                    rows: 1,
                    x: &[],
                    x_stride: 0,
                    n_inputs: 0,
                    n_units: kernels.lanes,
                    weights: &Aligned::zeroed(kernels.lanes * gate_width),
                    init: Init {
                        values: &bias,
                        block_stride: gate_width,
                        row_stride: 0,
                    },
                    h_before: Some(&h_before),
                    c_before: Some(&before),
                    c: &mut c,
                    h: &mut h,
                    gates: training.then_some(&mut gates[..]),
                    is_backwards: training,
                });
                for unit in 0..kernels.lanes {
                    let z = [0, 1, 2, 3].map(|gate| f64::from(bias[gate * kernels.lanes + unit]));
                    let (want_c, want_h) = cell_reference(z, f64::from(before[unit]));
                    close(c[unit], want_c, kernels.name);
                    close(h[unit], want_h, kernels.name);
                }
            }
        }
    }
}

#[test]
fn not_a_number_is_never_hidden() {
    for kernels in Kernels::available() {
        let gate_width = kernels.gate_width();
        let mut bias = Aligned::zeroed(gate_width);
        bias[0] = f32::NAN;
        let (mut c, mut h) = (Aligned::zeroed(kernels.lanes), Aligned::zeroed(kernels.lanes));
        kernels.lstm_step(LstmStep {
            rows: 1,
            x: &[],
            x_stride: 0,
            n_inputs: 0,
            n_units: kernels.lanes,
            weights: &Aligned::zeroed(kernels.lanes * gate_width),
            init: Init {
                values: &bias,
                block_stride: gate_width,
                row_stride: 0,
            },
            h_before: None,
            c_before: None,
            c: &mut c,
            h: &mut h,
            gates: None,
            is_backwards: false,
        });
        assert!(h[0].is_nan() && !h[1].is_nan(), "{}", kernels.name);
    }
}

#[test]
fn adam_equals_the_published_algorithm() {
    for kernels in Kernels::available() {
        let n = 2 * kernels.lanes;
        let (mut w, g) = (numbers(9, n), numbers(10, n));
        let (mut m, mut v) = (Aligned::zeroed(n), Aligned::zeroed(n));
        let start = w.clone();
        let (rate, scale) = (1e-3, 0.5);
        let step = AdamStep {
            rate: rate / (1.0 - 0.9),
            second_scale: 1.0 / (1.0_f32 - 0.999).sqrt(),
            gradient_scale: scale,
        };
        kernels.adam(&mut w, &mut m, &mut v, &g, step);
        for idx in 0..n {
            // First step: both moments corrected are g and g², so the weight moves by the rate against the sign.
            let g = f64::from(g[idx]) * f64::from(scale);
            close(
                w[idx],
                f64::from(start[idx]) - f64::from(rate) * g / (g.abs() + 1e-8),
                kernels.name,
            );
        }
    }
}

#[test]
fn denormals_are_zero_inside_the_guard_only() {
    let tiny = std::hint::black_box(1e-39_f32);
    {
        let _guard = FlushToZero::set();
        let product = std::hint::black_box(tiny) * std::hint::black_box(1.0);
        assert_eq!(product > 0.0, cfg!(not(target_arch = "x86_64")));
    }
    assert!(std::hint::black_box(tiny) * std::hint::black_box(1.0) > 0.0);
}

#[test]
fn functions_of_numbers_equal_those_of_double_precision_wherever_they_stand() {
    for kernels in Kernels::available() {
        let values: Vec<f32> = (0..301).map(|at| (at as f32 - 200.0) * 0.3).collect();
        for (of, want) in [
            (Map::Sigmoid, (|x| 1.0 / (1.0 + (-x).exp())) as fn(f64) -> f64),
            (Map::Tanh, f64::tanh),
            (Map::Exp, f64::exp),
        ] {
            let mut all = values.clone();
            kernels.map(of, &mut all);
            for (at, (&x, &got)) in values.iter().zip(&all).enumerate() {
                let want = want(f64::from(x));
                let off = (f64::from(got) - want).abs();
                assert!(
                    off <= 8e-6 * want.abs() + 3e-7,
                    "{of:?} of {x}: {got}, want {want}"
                );
                let mut alone = [x];
                kernels.map(of, &mut alone);
                assert_eq!(alone[0].to_bits(), got.to_bits(), "{of:?} at {at}");
            }
            let mut none = [f32::NAN];
            kernels.map(of, &mut none);
            assert!(none[0].is_nan(), "{of:?} of nothing");
        }
    }
}

#[test]
fn sums_have_the_same_bits_on_every_table() {
    for n in [0, 1, 8, 64, 1003] {
        let parts = [21, 22, 23].map(|seed| numbers(seed, n));
        let parts = [&parts[0][..], &parts[1], &parts[2]];
        for parts in [&parts[..1], &parts] {
            let column = |idx: usize| parts.iter().fold(0.0, |sum, part| sum + part[idx]);
            let wanted: Vec<f32> = (0..n).map(column).collect();
            let plain: f64 = wanted.iter().map(|&value| f64::from(value).powi(2)).sum();
            let mut sums = vec![f32::NAN; n];
            let first = Kernels::detect().sum(&mut sums, parts);
            assert!((first - plain).abs() <= 1e-12 * plain, "{first}, wanted {plain}");
            for kernels in Kernels::available() {
                sums.fill(f32::NAN);
                let squares = kernels.sum(&mut sums, parts);
                assert_eq!(squares.to_bits(), first.to_bits(), "{}", kernels.name);
                assert_eq!(sums, wanted, "{}", kernels.name);
            }
        }
    }
}

/// The twin of the tiles, and the tiles themselves where there are some.
fn with_tiles() -> Vec<&'static Kernels> {
    let twin = Kernels::twin_of_amx();
    if twin.is_none() {
        println!("skipped: tiles need a processor with AVX-512");
    }
    twin.into_iter().chain(Kernels::by_name("amx")).collect()
}

/// `[TILE, columns]` of a product of two parts, with what it should be in double precision.
fn tile_product(kernels: &'static Kernels, n_tiles: usize, a: &[Aligned; 2]) -> (Aligned, Vec<f64>) {
    let (inner, width) = ([37_usize, 64], n_tiles * TILE);
    let strides = inner.map(|inner| inner.next_multiple_of(32));
    let b = [5, 6].map(|seed| numbers(seed, 64 * width));
    let init = numbers(7, width);
    let guard = TileGuard::begin(kernels).expect("kernels with tiles");
    let (mut a_split, mut b_split) = (
        strides.map(|stride| Split::zeroed(TILE * stride)),
        strides.map(|stride| Split::zeroed(stride * width)),
    );
    let mut want: Vec<f64> = (0..TILE)
        .flat_map(|_| init.iter().map(|&x| f64::from(x)))
        .collect();
    for part in 0..2 {
        for row in 0..TILE {
            let values = &a[part][row * 64..][..inner[part]];
            let mut padded = Aligned::zeroed(strides[part]);
            padded[..inner[part]].copy_from_slice(values);
            let at = row * strides[part];
            guard.split(&padded, strides[part], &mut a_split[part], at, strides[part]);
            for (k, x) in values.iter().enumerate() {
                for column in 0..width {
                    want[row * width + column] += f64::from(*x) * f64::from(b[part][k * width + column]);
                }
            }
        }
        let end = b_split[part].pack(0, &b[part], inner[part], width);
        assert_eq!(end, strides[part] * width);
    }
    let part = |part: usize| TilePart {
        a: &a_split[part],
        a_start: 0,
        a_stride: strides[part],
        n_inner: strides[part] / 32,
        b: &b_split[part],
        b_start: 0,
    };
    let mut c = Aligned::zeroed(TILE * width);
    guard.product(TileProduct {
        parts: &[part(0), part(1)],
        n_tiles,
        init: &init,
        init_stride: 0,
        c: &mut c,
        c_stride: width,
    });
    (c, want)
}

#[test]
fn a_product_in_tiles_is_near_that_of_double_precision_and_a_row_does_not_feel_its_neighbours() {
    for kernels in with_tiles() {
        for n_tiles in 1..=4 {
            let width = n_tiles * TILE;
            let a = [3, 4].map(|seed| numbers(seed, TILE * 64));
            let (all, want) = tile_product(kernels, n_tiles, &a);
            for (got, want) in all.iter().zip(&want) {
                // Sums of a hundred products of numbers below 1, each less than 2^-16 off.
                assert!((f64::from(*got) - want).abs() < 1e-4, "{got}, want {want}");
            }
            let mut other = a.clone();
            for part in &mut other {
                part[..3 * 64].fill(f32::NAN);
                part[4 * 64..].fill(-7.5);
            }
            let (some, _) = tile_product(kernels, n_tiles, &other);
            assert!(some[..3 * width].iter().all(|sum| sum.is_nan()));
            assert_eq!(
                some[3 * width..4 * width],
                all[3 * width..4 * width],
                "{}",
                kernels.name
            );
        }
    }
}

#[test]
fn tiles_and_their_twin_give_the_same_bits() {
    let [twin, tiles] = with_tiles()[..] else {
        return println!("skipped: this processor has no AMX");
    };
    for n_tiles in 1..=4 {
        let a = [13, 14].map(|seed| numbers(seed, TILE * 64));
        let bits = |kernels| {
            let (sums, _) = tile_product(kernels, n_tiles, &a);
            sums.iter().map(|sum| sum.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(bits(twin), bits(tiles));
    }
}
