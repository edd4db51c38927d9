//! `stream`: the live system on its own.

use crate::cli::StreamArgs;
use crate::commands::live::Plan;
use crate::failure::Failure;
use crate::output::Output;
use crate::wiring::Purpose;

pub(crate) fn run(args: &StreamArgs, output: &Output) -> Result<(), Failure> {
    let plan = Plan {
        config: args.config.as_deref(),
        flags: &args.flags,
        server_flags: &[],
        purpose: Purpose::Stream,
        output,
    };
    let loaded = plan.load()?;
    if loaded.checked.sources.is_empty() {
        return Err(Failure::Usage(
            "nothing to judge: give --from URL, or [[sources]] in a configuration file".to_owned(),
        ));
    }
    plan.run(loaded, async |_, _| Ok(None))
}
