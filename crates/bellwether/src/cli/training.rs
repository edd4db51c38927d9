//! How people write losses, optimisers and courses of the learning rate: a name, and after a colon what it wants.

use bellwether_nn::{Loss, Optimiser, Schedule};

/// The name, and the numbers after it.
fn parts(text: &str) -> Result<(&str, Vec<f64>), String> {
    let Some((name, numbers)) = text.split_once(':') else {
        return Ok((text, Vec::new()));
    };
    let numbers = numbers.split(',').map(|number| number.trim().parse::<f64>());
    let numbers = numbers.collect::<Result<_, _>>();
    Ok((
        name,
        numbers.map_err(|_| format!("{text:?}: wanted numbers after the colon"))?,
    ))
}

pub(super) fn loss(text: &str) -> Result<Loss, String> {
    match (parts(text)?.0, &parts(text)?.1[..]) {
        ("mse", []) => Ok(Loss::Mse),
        ("mae", []) => Ok(Loss::Mae),
        ("log-cosh", []) => Ok(Loss::LogCosh),
        // Half the training range: beyond it a deviation is no longer noise.
        ("huber", []) => Ok(Loss::Huber { delta: 0.5 }),
        ("huber", [delta]) => Ok(Loss::Huber { delta: *delta as f32 }),
        ("quantile", []) => Ok(Loss::Quantile { level: 0.5 }),
        ("quantile", [level]) => Ok(Loss::Quantile { level: *level as f32 }),
        _ => Err("wanted mse, mae, huber:0.5, log-cosh or quantile:0.5".to_owned()),
    }
}

pub(super) fn optimiser(text: &str) -> Result<Optimiser, String> {
    match (parts(text)?.0, &parts(text)?.1[..]) {
        ("adam", []) => Ok(Optimiser::Adam),
        ("adamw", []) => Ok(Optimiser::AdamW { decay: 0.01 }),
        ("adamw", [decay]) => Ok(Optimiser::AdamW { decay: *decay as f32 }),
        ("rmsprop", []) => Ok(Optimiser::RmsProp),
        ("sgd", []) => Ok(Optimiser::Sgd { momentum: 0.9 }),
        ("sgd", [momentum]) => Ok(Optimiser::Sgd {
            momentum: *momentum as f32,
        }),
        ("adagrad", []) => Ok(Optimiser::Adagrad),
        _ => Err("wanted adam, adamw:0.01, rmsprop, sgd:0.9 or adagrad".to_owned()),
    }
}

pub(super) fn schedule(text: &str) -> Result<Schedule, String> {
    // A count of epochs; what is no whole number is none.
    let count =
        |number: f64| (0.0 <= number && number < 1e6 && number.fract() <= 0.0).then_some(number as usize);
    let schedule = match (parts(text)?.0, &parts(text)?.1[..]) {
        ("constant", []) => Some(Schedule::Constant),
        ("cosine", []) => Some(Schedule::Cosine),
        ("warm-up", []) => Some(Schedule::WarmUp { share: 0.1 }),
        ("warm-up", [share]) => Some(Schedule::WarmUp { share: *share }),
        ("step", []) => Some(Schedule::Step {
            factor: 0.5,
            epochs: 10,
        }),
        ("step", [factor, epochs]) => count(*epochs).map(|epochs| Schedule::Step {
            factor: *factor,
            epochs,
        }),
        ("plateau", []) => Some(Schedule::Plateau {
            factor: 0.5,
            patience: 2,
        }),
        ("plateau", [factor, patience]) => count(*patience).map(|patience| Schedule::Plateau {
            factor: *factor,
            patience,
        }),
        _ => None,
    };
    schedule.ok_or_else(|| "wanted constant, cosine, warm-up:0.1, step:0.5,10 or plateau:0.5,2".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_numbers_and_nothing_else_is_taken() {
        assert_eq!(loss("huber:0.25"), Ok(Loss::Huber { delta: 0.25 }));
        assert_eq!(loss("quantile:0.9"), Ok(Loss::Quantile { level: 0.9 }));
        assert_eq!(optimiser("sgd:0"), Ok(Optimiser::Sgd { momentum: 0.0 }));
        assert_eq!(optimiser("adamw"), Ok(Optimiser::AdamW { decay: 0.01 }));
        let plateau = Schedule::Plateau {
            factor: 0.2,
            patience: 3,
        };
        assert_eq!(schedule("plateau:0.2,3"), Ok(plateau));
        for text in [
            "",
            "mse:1",
            "huber:",
            "huber:x",
            "huber:1,2",
            "l2",
            "quantile:0.1,",
        ] {
            assert!(loss(text).is_err(), "{text}");
        }
        for text in ["adam:1", "sgd:a", "lion", "adamw:1,2"] {
            assert!(optimiser(text).is_err(), "{text}");
        }
        for text in ["step:0.5", "step:0.5,1.5", "plateau:0.5,-1", "cosine:2", "linear"] {
            assert!(schedule(text).is_err(), "{text}");
        }
    }
}
