import type { Command } from './arguments.js';

/** An option of a command, parsed from its manual. */
export interface ManualOption {
  readonly long: string;
  readonly short: string | undefined;
  /** The name of its value, if it takes one. */
  readonly value: string | undefined;
  readonly text: string;
}

/** The options in a manual. `--help`, the man page and completions are all generated from that one text. */
function optionsOf(help: string): ManualOption[] {
  const entries = help.matchAll(
    /^ {2}(?: {4}|-(\w), )?--([a-z-]+)(?: ([A-Z]\S*))?(?: {2,}(.*))?\n?((?: {26}.*\n?)*)/gm,
  );
  const options = new Map<string, ManualOption>();
  for (const [, short, long = '', value, first = '', rest = ''] of entries) {
    const text = `${first} ${rest}`.replace(/\s+/g, ' ').trim();
    if (!options.has(long)) options.set(long, { long, short, value, text });
  }
  return [...options.values()];
}

/** A page for man(1), generated from the manuals of all commands. */
export function manPage(commands: readonly Command[], help: string, version: string): string {
  const sections = commands.map(({ name, help }) => `.SH ${name.toUpperCase()}\n${verbatim(help)}`);
  return `.TH SECURE-SOCKETS 1 "" "secure-sockets ${version}" "User Commands"
.SH NAME
secure-sockets \\- encrypted connections between programs that know each other's keys
.SH SYNOPSIS
.B secure-sockets
.I COMMAND
[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...
.SH DESCRIPTION
${verbatim(help)}
${sections.join('\n')}
`;
}

/** Escapes lines for roff: a backslash, or a dot or quote at the start of a line, would be a request. */
function verbatim(text: string): string {
  const lines = text
    .trimEnd()
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(['.])/gm, '\\&$1');
  return `.nf\n${lines}\n.fi`;
}

const PROGRAM = 'secure-sockets';

/** A script for a shell that completes commands, options and files. */
export function completion(shell: 'bash' | 'zsh' | 'fish', commands: readonly Command[]): string {
  if (shell === 'bash') return bash(commands);
  return shell === 'zsh' ? `autoload -U +X bashcompinit && bashcompinit\n${bash(commands)}` : fish(commands);
}

/** The words that a command begins with: those of its synopsis, "Usage: secure-sockets completion bash|zsh|fish". */
function wordsOf({ name, help }: Pick<Command, 'name' | 'help'>): string[] {
  const synopses = help.matchAll(new RegExp(`secure-sockets ${name} ([a-z|]+)(?=[ \\n])`, 'g'));
  return [...new Set([...synopses].flatMap(([, words = '']) => words.split('|')))];
}

function bash(commands: readonly Command[]): string {
  const subcommands = commands
    .map((command) => ({ name: command.name, words: wordsOf(command) }))
    .filter(({ words }) => words.length > 0)
    .map(
      ({ name, words }) =>
        `    2:${name}) [[ "$word" == -* ]] || { COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$word")); return; } ;;`,
    );
  const cases = commands.map(({ name, help }) => {
    const flags = optionsOf(help).flatMap(({ long, short }) => [
      `--${long}`,
      ...(short ? [`-${short}`] : []),
    ]);
    return `    ${name}) words="${flags.join(' ')}" ;;`;
  });
  return `_secure_sockets() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words
  case "\${COMP_CWORD:-1}:\${COMP_WORDS[1]}" in
    1:*) COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')} help" -- "$word")); return ;;
${subcommands.join('\n')}
  esac
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -o filenames -F _secure_sockets ${PROGRAM}
`;
}

function fish(commands: readonly Command[]): string {
  const lines = commands.flatMap(({ name, summary, help }) => [
    `complete -c ${PROGRAM} -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`,
    ...wordsOf({ name, help }).map(
      (word) => `complete -c ${PROGRAM} -n '__fish_prev_arg_in ${name}' -f -a ${word}`,
    ),
    ...optionsOf(help).map(({ long, short, value, text }) => {
      const flags = `-l ${long}${short ? ` -s ${short}` : ''}${value ? ' -r' : ''}`;
      return `complete -c ${PROGRAM} -n '__fish_seen_subcommand_from ${name}' ${flags} -d ${quote(text)}`;
    }),
  ]);
  return `${lines.join('\n')}\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
