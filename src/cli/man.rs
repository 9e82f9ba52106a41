//! `thirdleaf man`: the manual page, all verbs on it.

use std::io::Write;

use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Cli, Error, Exit};

pub(super) fn execute(out: &mut impl Write) -> Result<Exit, Error> {
    let mut command = Cli::command();
    command.build();
    let man = Man::new(command.clone());
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    let mut rest = Roff::new();
    verbs(&mut rest, &command);
    signals(&mut rest);
    environment(&mut rest);
    exit_status(&mut rest);
    rest.to_writer(out)?;
    man.render_version_section(out)?;
    Ok(Exit::FINE)
}

fn verbs(page: &mut Roff, command: &Command) {
    page.control("SH", ["VERBS"]);
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        describe(page, verb, verb.get_name());
        for part in verb.get_subcommands().filter(|part| part.get_name() != "help") {
            describe(page, part, &format!("{} {}", verb.get_name(), part.get_name()));
        }
    }
}

fn describe(page: &mut Roff, verb: &Command, name: &str) {
    page.control("SS", [name]);
    page.text([roman(verb.get_about().map(ToString::to_string).unwrap_or_default())]);
    let own = |argument: &&Arg| !argument.is_global_set() && argument.get_id() != "help";
    for argument in verb.get_arguments().filter(own) {
        let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
        item(page, &format!("{short}{argument}"), &help(argument));
    }
}

/// What an argument is for, the values that it may have, and the one that it has unasked.
fn help(argument: &Arg) -> String {
    let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    if !argument.get_action().takes_values() {
        return help;
    }
    let values: Vec<_> =
        argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !values.is_empty() {
        help += ": one of ";
        help += &values.join(", ");
    }
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() {
        help += " [default: ";
        help += &defaults.join(" ");
        help += "]";
    }
    help
}

fn item(page: &mut Roff, name: &str, text: &str) {
    page.control("TP", []);
    page.text([bold(name)]);
    page.text([roman(text)]);
}

fn signals(page: &mut Roff) {
    page.control("SH", ["SIGNALS"]);
    page.text([roman("To the daemon:")]);
    item(page, "SIGHUP", "Read the configuration file again: all of it or, if anything is wrong, nothing.");
    item(page, "SIGTERM, SIGINT", "Say goodbye to every peer (Cease/2) and end.");
}

fn environment(page: &mut Roff) {
    page.control("SH", ["ENVIRONMENT"]);
    item(page, "THIRDLEAF_SERVER, THIRDLEAF_TOKEN_FILE", "Stand for --server and --token-file.");
    item(page, "NO_COLOR", "If set and not empty, tables have no colours; they have none in a pipe either.");
}

fn exit_status(page: &mut Roff) {
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in [
        ("0", "Fine."),
        ("1", "A negative answer: a finding is open, a file differs or is damaged, nothing was found."),
        ("2", "Usage, or a configuration that is wrong."),
        ("3", "The daemon is not reachable."),
        ("4", "Refused by a brake or by observe mode."),
    ] {
        item(page, code, meaning);
    }
    page.control("PP", []);
    page.text([
        bold("check-health"),
        roman(" ends as Nagios expects it: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_on_the_page() {
        let mut page = Vec::new();
        execute(&mut page).unwrap();
        // Without the quotes and escapes of the format.
        let page = String::from_utf8(page).unwrap().replace(['\\', '"'], "");
        for verb in Cli::command().get_subcommands() {
            assert!(page.contains(&format!(".SS {}\n", verb.get_name())), "{}", verb.get_name());
        }
        assert!(page.contains(".SS peers reset\n"));
        for part in
            ["-c, --config <FILE>", "pod_block, pod_host", "[default: 65102]", "THIRDLEAF_SERVER", "SIGHUP"]
        {
            assert!(page.replace("fR", "").replace("fB", "").contains(part), "{part}: {page}");
        }
    }
}
