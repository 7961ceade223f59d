/** `sluice completion`: scripts for shells, made from the table of commands, so that they know every option there is. */

import type { Command } from "../command.ts";
import { type Completes, parseArguments, refuseMoreThan, UsageError } from "../options.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

type Shell = typeof SHELLS[number];

/** @param commands All of them, this one too. Asked for when it runs, as the table holds this command. */
export function completionCommand(commands: () => readonly Command[]): Command {
  return {
    name: "completion",
    usage: "completion bash|zsh|fish",
    summary: "completion script for a shell",
    help: `sluice completion bash|zsh|fish

Prints a script that completes commands, options and, by asking the running proxy, names of backends and upstreams. It
completes the command "sluice": the compiled binary, or a script of that name on the PATH.

  bash   source <(sluice completion bash)                                    in ~/.bashrc
  zsh    sluice completion zsh > "\${fpath[1]}/_sluice"                       then start a new shell
  fish   sluice completion fish > ~/.config/fish/completions/sluice.fish`,
    options: {},
    operands: ["shell"],
    execute(args) {
      const parsed = parseArguments(args, {});
      refuseMoreThan(1, parsed);
      const shell = SHELLS.find((name) => name === parsed.operands[0]);
      if (shell === undefined) throw new UsageError(`completion needs a shell: ${SHELLS.join(", ")}`);
      console.log(SCRIPTS[shell](commands()));
      return 0;
    },
  };
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly Command[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

const METHODS = "GET HEAD POST PUT PATCH DELETE OPTIONS";
const GLOBAL_OPTIONS = ["--help", "--version"];

function optionsOf({ options }: Command): string {
  return [...Object.keys(options), ...GLOBAL_OPTIONS].join(" ");
}

/** What bash and zsh, whose words we make alike, offer for an operand; "" for nothing. */
function wordsFor(completes: Completes): string {
  switch (completes) {
    case "backend":
      return `$("$program" status --names 2>/dev/null)`;
    case "upstream":
      return `$("$program" status --names 2>/dev/null | cut -d/ -f1 | sort -u)`;
    case "shell":
      return SHELLS.join(" ");
    case "method":
      return METHODS;
    case "file":
    case "url":
    case "nothing":
      return "";
  }
}

function bashScript(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const values = Object.entries(command.options).filter(([, { kind }]) => kind !== "flag");
    const files = values.filter(([, { completes }]) => completes === "file").map(([name]) => name);
    const others = values.filter(([, { completes }]) => completes !== "file").map(([name]) => name);
    const operand = command.operands[0] ?? "nothing";
    return [
      `    ${command.name})`,
      `      options="${optionsOf(command)}"`,
      `      files=" ${files.join(" ")} "`,
      `      values=" ${others.join(" ")} "`,
      `      operand=${operand}`,
      operand === "file" || wordsFor(operand) === "" ? "" : `      _sluice_words() { echo "${wordsFor(operand)}"; }`,
      `      ;;`,
    ].filter(Boolean).join("\n");
  });
  return `# Completion of sluice for bash, made by "sluice completion bash".
_sluice() {
  local program="\${COMP_WORDS[0]}" current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local options="" files=" " values=" " operand=nothing
  _sluice_words() { :; }
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${[...commands.map(({ name }) => name), ...GLOBAL_OPTIONS].join(" ")}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) return ;;
  esac
  if [[ "$files" == *" $previous "* ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
  elif [[ "$values" == *" $previous "* ]]; then
    return
  elif [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [ "$operand" = file ]; then
    COMPREPLY=($(compgen -f -- "$current"))
  else
    # Bash ends a word at ":", as in "api/127.0.0.1:9001": what is before the last one is in the line already.
    local whole="$current" before="" at=$((COMP_CWORD - 1))
    if [[ "$COMP_WORDBREAKS" == *:* ]]; then
      [ "$current" = ":" ] && whole=":"
      while [ "$at" -gt 1 ] && [[ "$whole" == :* || "\${COMP_WORDS[at]}" == ":" ]]; do
        whole="\${COMP_WORDS[at]}$whole"
        at=$((at - 1))
      done
      [[ "$whole" == *:* ]] && before="\${whole%"\${whole##*:}"}"
    fi
    COMPREPLY=($(compgen -W "$(_sluice_words)" -- "$whole"))
    COMPREPLY=("\${COMPREPLY[@]#"$before"}")
  fi
}
complete -o filenames -o bashdefault -F _sluice sluice`;
}

function zshScript(commands: readonly Command[]): string {
  const described = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`);
  const cases = commands.map((command) => {
    const options = Object.entries(command.options).map(([name, { kind, doc, completes }]) => {
      const many = kind === "repeatable" ? "*" : "";
      const value = kind === "flag" ? "" : `:value:${completes === "file" ? "_files" : " "}`;
      return `      ${quoted(`${many}${name}[${doc.replaceAll(":", "\\:")}]${value}`)}`;
    });
    const operands = command.operands.map((completes, index) => {
      const action = completes === "file" ? "_files" : wordsFor(completes) === "" ? " " : `_sluice_${completes}`;
      return `      ${quoted(`${index + 1}:${completes}:${action}`)}`;
    });
    return [
      `    ${command.name}) _arguments -S \\`,
      [...options, ...operands, `      '--help[help]'`].join(" \\\n"),
      "      ;;",
    ]
      .join("\n");
  });
  const helpers = (["backend", "upstream", "shell", "method"] as const).map((completes) => {
    const words = wordsFor(completes);
    // A list by lines, not by words: (f) splits what a command prints.
    const list = words.startsWith("$(") ? `\${(f)"${words}"}` : words;
    return `_sluice_${completes}() {\n  local program="\${_sluice_program:-sluice}"\n  compadd -- ${list}\n}`;
  });
  return `#compdef sluice
# Completion of sluice for zsh, made by "sluice completion zsh".

${helpers.join("\n\n")}

_sluice() {
  local _sluice_program="\${words[1]}"
  local -a commands=(
${described.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
  esac
}

if [ "$funcstack[1]" = "_sluice" ]; then
  _sluice "$@"
else
  compdef _sluice sluice
fi`;
}

function fishScript(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) => {
    const isGiven = `-n ${quoted(`__fish_seen_subcommand_from ${command.name}`)}`;
    const options = Object.entries(command.options).map(([name, { kind, doc, completes }]) => {
      const form = name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
      const value = kind === "flag" ? "" : completes === "file" ? " -r -F" : " -x";
      return `complete -c sluice ${isGiven} ${form}${value} -d ${quoted(doc)}`;
    });
    const operands = [...new Set(command.operands)].flatMap((completes) => {
      if (completes === "file") return [`complete -c sluice ${isGiven} -F`];
      const words = fishWords(completes);
      return words === "" ? [] : [`complete -c sluice ${isGiven} -a ${quoted(words)}`];
    });
    return [
      `complete -c sluice -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.summary)}`,
      ...options,
      ...operands,
    ];
  });
  return `# Completion of sluice for fish, made by "sluice completion fish".
complete -c sluice -f
complete -c sluice -l help -d 'help'
complete -c sluice -l version -d 'version'
${lines.join("\n")}`;
}

function fishWords(completes: Completes): string {
  switch (completes) {
    case "backend":
      return "(sluice status --names 2>/dev/null)";
    case "upstream":
      return "(sluice status --names 2>/dev/null | cut -d/ -f1 | sort -u)";
    default:
      return wordsFor(completes);
  }
}

/** For all three shells: single quotes, with those inside taken out of them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
