"""`probec completion`: a script that lets a shell complete commands, options and names.

It is made from the parsers of all commands, so that it has what they take, and runs no Python.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from compiler.commands import COMMANDS, parsers
from compiler.commands.result import Result
from compiler.spec import mistakes

EXAMPLE = "probec completion bash > ~/.local/share/bash-completion/completions/probec"

# Stand for names that the shell finds itself: specs, files, hashes of rounds.
_SPECS, _FILES, _ROUNDS = "@specs", "@files", "@rounds"
# No name is known: the shell completes nothing.
_FREE = "@free"
# By the word for a value in a command's usage.
_PLACES = {
    "SPEC": _SPECS,
    **dict.fromkeys(("HASH", "ROUND"), _ROUNDS),
    **dict.fromkeys(("A", "B", "CARD.md", "DATASET", "DIR", "FILE", "FILE.svg"), _FILES),
    **dict.fromkeys(("NAME=FILE", "OTHER", "PLACE"), _FILES),
}

_FOUND_BY_FISH = {
    _SPECS: "(__fish_complete_suffix .yaml)",
    _FILES: "(__fish_complete_path (commandline -ct))",
    _ROUNDS: r"(string replace -rf '.*-([0-9a-f]+)\.json$' '$1' build/rounds/*/*.json)",
}

_BASH = """\
# Completion of probec for bash, made by `probec completion bash`.
_probec_words() {
    case $1 in
<table>
    esac
}
_probec_rounds() {
    local name
    for name in build/rounds/*/*-*.json; do
        [[ -e $name ]] || continue
        name=${name##*-}
        echo "${name%.json}"
    done
}
_probec() {
    local IFS=$' \\t\\n' cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local key='' count=0 index=0 word='' found='' words='' files=''
    # The command, and its action if it has some.
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        case $word in -*) continue ;; esac
        if [[ $count = 0 ]]; then
            key=$word
        elif [[ -n $(_probec_words "$key $word") ]]; then
            key="$key $word"
        fi
        count=$((count + 1))
        [[ $count = 2 ]] && break
    done
    case $previous in -*) found=$(_probec_words "$key $previous") ;; esac
    if [[ -z $found ]]; then
        case $cur in
        -*) found=$(_probec_words "${key:+$key }-") ;;
        *) found=$(_probec_words "${key:-commands}") ;;
        esac
    fi
    for word in $found; do
        case $word in
        @specs)
            files=$(compgen -f -X '!*.y*ml' -- "$cur"; compgen -d -- "$cur")
            [[ -z $cur ]] && compgen -G 'specs/*.y*ml' > /dev/null \\
                && files=$(compgen -G 'specs/*.y*ml') ;;
        @files) files+=$'\\n'$(compgen -f -- "$cur") ;;
        @rounds) words+=" $(_probec_rounds)" ;;
        @free) ;;
        *=) words+=" $word"; compopt -o nospace 2> /dev/null ;;
        *) words+=" $word" ;;
        esac
    done
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    if [[ -n $files ]]; then
        IFS=$'\\n'
        COMPREPLY+=($(sort -u <<< "$files"))
        compopt -o filenames 2> /dev/null
    fi
}
complete -F _probec probec
"""
_SEEN = "__fish_seen_subcommand_from"
_FISH = """\
# Completion of probec for fish, made by `probec completion fish`.
complete -c probec -f
"""
_ZSH = """\
# Completion of probec for zsh, made by `probec completion zsh`.
autoload -U +X compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.add_argument(
        "shell",
        choices=("bash", "zsh", "fish"),
        help="bash: as in the example, which needs the package bash-completion, or source the "
        "script in ~/.bashrc; zsh: source it in ~/.zshrc; fish: write it to "
        "~/.config/fish/completions/probec.fish. After an upgrade of probec, write it again",
    )


def run(args: argparse.Namespace) -> Result:
    """Print the script of a shell."""
    script = {"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell]()
    return Result(script.rstrip("\n"), {"shell": args.shell, "script": script})


def _bash() -> str:
    """Return a function that looks up what may stand after the words so far."""
    alike: dict[str, list[str]] = {}
    for key, words in _words():
        alike.setdefault(" ".join(words), []).append(shlex.quote(key))
    lines = (
        f"    {'|'.join(keys)}) echo {shlex.quote(words)} ;;\n" for words, keys in alike.items()
    )
    return _BASH.replace("<table>\n", "".join(lines))


def _zsh() -> str:
    return _ZSH + _bash()


def _fish() -> str:
    """Return a line for each command, and for each option and argument, with its commands."""
    commands: dict[str, list[str]] = {}
    for command, parser in parsers.every():
        for action in _actions(parser):
            commands.setdefault(_line(action), []).append(command)
    lines = [
        f"-n __fish_use_subcommand -a {name} -d {shlex.quote(summary)}"
        for name, summary in COMMANDS.items()
    ]
    for line, named in commands.items():
        # Commands share a condition, and so do the actions of one command.
        conditions: dict[str, list[str]] = {}
        for each in named:
            command, _, last = each.rpartition(" ")
            conditions.setdefault(command, []).append(last)
        for command, own in conditions.items():
            seen = "; and ".join(f"{_SEEN} {each}" for each in (command, " ".join(own)) if each)
            lines.append(f"-n {shlex.quote(seen)} {line}")
    for name, actions in _actions_of_commands().items():
        chosen = " ".join(actions)
        unseen = f"{_SEEN} {name}; and not {_SEEN} {chosen}"
        lines.append(f"-n {shlex.quote(unseen)} -a {shlex.quote(chosen)}")
    return _FISH + "".join(f"complete -c probec {line}\n" for line in lines)


def _line(action: argparse.Action) -> str:
    """Return the part of a fish line that describes an option or an argument."""
    values = [_FOUND_BY_FISH.get(each, each) for each in _values(action)]
    given = f"-a {shlex.quote(' '.join(values))}"
    if not action.option_strings:
        return given
    names = [
        f"-{'l' if len(each) > 2 else 's'} {each.lstrip('-')}" for each in action.option_strings
    ]
    about = (action.help or "").partition("; default")[0]
    takes = [] if action.nargs == 0 else ["-x", given] if values else ["-x"]
    return " ".join([*names, *takes, "-d", shlex.quote(about)])


def _actions_of_commands() -> dict[str, Sequence[str]]:
    found = {name: getattr(parsers.module(name), "ACTIONS", ()) for name in COMMANDS}
    return {name: [*actions] for name, actions in found.items() if actions}


def _words() -> Iterator[tuple[str, Sequence[str]]]:
    """Yield what may follow: after the command, in place of an option, as an option's value."""
    yield "commands", (*COMMANDS, "--help", "--version")
    yield "-", ("--help", "--version")
    of_commands = _actions_of_commands()
    for command, parser in parsers.every():
        actions, inner = _actions(parser), of_commands.get(command, ())
        plain = [
            each for action in actions if not action.option_strings for each in _values(action)
        ]
        yield command, (*inner, *dict.fromkeys(plain)) or (_FREE,)
        yield f"{command} -", [each for action in actions for each in action.option_strings]
        for action in actions:
            for option in action.option_strings if action.nargs != 0 else ():
                yield f"{command} {option}", _values(action) or (_FREE,)


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions


def _values(action: argparse.Action) -> list[str]:
    """Return the values of an argument: names, or what the shell finds; empty if any is valid."""
    if action.choices is not None:
        return [str(each) for each in action.choices]
    if action.dest in _names():
        return [*_names()[action.dest]]
    places = re.split(r"[|]", str(action.metavar or ""))
    return list(dict.fromkeys(_PLACES[each] for each in places if each in _PLACES))


@cache
def _names() -> Mapping[str, Sequence[str]]:
    """Return the names that probec knows, by the name of the argument that takes them."""
    from compiler.building.retries import ENDED
    from compiler.dataset.scopes import PUBLISHED
    from compiler.llm.providers import PROVIDERS
    from compiler.probes.checks import CHECKS
    from compiler.probes.reasons import REASONS
    from compiler.stages import PIPELINE

    stages = [
        each.__module__.rpartition(".")[2]
        + ("" if each.__name__ == "stage" else f"_{each.__name__}")
        for each in PIPELINE
    ]
    paths = [f"{each}=" for each in _paths(())]
    return {
        "stage": stages,
        "scope": [*PUBLISHED],
        "provider": [*PROVIDERS],
        "flag": [*CHECKS],
        "reason": [*ENDED, *REASONS],
        **dict.fromkeys(("overrides", "overrides_a", "overrides_both"), paths),
    }


def _paths(path: tuple[str, ...]) -> Iterator[str]:
    """Yield the paths of the values of a spec of probes."""
    for key in mistakes.keys(path):
        below = [*_paths((*path, key))]
        yield from below or [".".join((*path, key))]
