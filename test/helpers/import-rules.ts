import ts from 'typescript';
import {
  findCycle,
  findPath,
  type Import,
  importGraph,
  isReference,
  type Tree,
  visitNodes,
} from './imports.js';

/** Who may import whom. Returns one sentence per offence; none means that the tree keeps the rules. */
export function importProblems(tree: Tree): string[] {
  const graph = importGraph(tree);
  return [
    ...[...graph].flatMap(([file, imports]) => roomProblems(file, imports)),
    ...[...tree]
      .filter(([file]) => file.startsWith('src/core/'))
      .flatMap(([file, text]) => purityProblems(file, text)),
    ...portabilityProblems(graph),
    ...cycleProblems(graph),
  ];
}

interface Room {
  readonly name: string;
  readonly files: RegExp;
  readonly may: readonly RegExp[];
  /** What may be imported with `import type` only. */
  readonly mayType: readonly RegExp[];
}

const node = /^node:/;
const core = /^src\/core\//;
const ground = /^src\/(backend|transport|errors)\.ts$/;
const transports = /^src\/transports\//;
const nodeShell =
  /^src\/(server|intake|client|byte-stream|establish|reconnecting|diagnostics|identity|known-hosts|authorized-keys)\.ts$/;
const shell = /^src\/(?!index\.|browser\.|defaults\.)[\w-]+\.ts$/;
const defaults = /^src\/defaults\.ts$/;
const entry = /^src\/(index|browser)\.ts$/;
const cli = /^src\/cli\//;
const queue = /^p-queue$/;
const backends = /^backends\/(node|forge|noble)\.ts$/;
const borrowed = /^backends\/borrowed\.ts$/;
const shared = /^backends\/(?!(node|forge|noble|borrowed)\b)[\w-]+\.ts$/;
const noble = /^@noble\/(ciphers|curves|hashes|post-quantum)\//;

const rooms: readonly Room[] = [
  { name: 'core', files: core, may: [core, /^src\/errors\.ts$/], mayType: [/^src\/backend\.ts$/] },
  { name: 'ground', files: ground, may: [], mayType: [ground] },
  { name: 'transports', files: transports, may: [node, ground, transports], mayType: [] },
  {
    name: 'node shell',
    files: nodeShell,
    may: [node, core, shell, defaults, transports, queue],
    mayType: [],
  },
  { name: 'shell', files: shell, may: [core, shell, queue], mayType: [transports] },
  { name: 'defaults', files: defaults, may: [backends], mayType: [] },
  { name: 'entry', files: entry, may: [node, core, shell, defaults, transports, backends], mayType: [] },
  { name: 'cli', files: cli, may: [node, core, shell, entry, transports, backends, cli, queue], mayType: [] },
  backend('node', [node]),
  backend('forge', [/^node-forge(\/|$)/]),
  backend('noble', [noble, /^micro-rsa-dsa-dh(\/|$)/]),
  { name: 'borrowed', files: borrowed, may: [noble, shared], mayType: [/^src\/backend\.ts$/] },
  { name: 'shared by backends', files: shared, may: [shared], mayType: [/^src\/backend\.ts$/] },
];

// A backend is NAME.ts and its own NAME-*.ts. What its library lacks it takes from borrowed.ts, and what needs no
// library from the files that all share.
function backend(name: string, libraries: readonly RegExp[]): Room {
  const own = new RegExp(`^backends/${name}(-[\\w-]+)?\\.ts$`);
  return {
    name: `backend ${name}`,
    files: own,
    may: [own, borrowed, shared, ...libraries],
    mayType: [/^src\/backend\.ts$/],
  };
}

function roomProblems(file: string, imports: readonly Import[]): string[] {
  const room = rooms.find(({ files }) => files.test(file));
  if (room === undefined) return [`${file} belongs to no room`];
  return imports
    .filter((one) => !isAllowed(room, one))
    .map(
      ({ target, typeOnly }) =>
        `${file} (${room.name}) may not import ${typeOnly ? 'types of ' : ''}${target}`,
    );
}

function isAllowed(room: Room, { target, typeOnly }: Import): boolean {
  const allowed = typeOnly ? [...room.may, ...room.mayType] : room.may;
  return allowed.some((pattern) => pattern.test(target));
}

const impure = new Set([
  ...[
    'Promise',
    'PromiseLike',
    'Date',
    'performance',
    'setTimeout',
    'setInterval',
    'setImmediate',
    'queueMicrotask',
  ],
  ...['Buffer', 'process', 'crypto', 'console', 'fetch', 'globalThis'],
]);

function purityProblems(file: string, text: string): string[] {
  const problems: string[] = [];
  visitNodes(file, text, (node) => {
    const name = impureName(node);
    if (name) problems.push(`${file} (core) may not use ${name}`);
  });
  return problems;
}

function impureName(node: ts.Node): string | undefined {
  if (ts.isIdentifier(node) && impure.has(node.text) && isReference(node)) return node.text;
  if (ts.isPropertyAccessExpression(node) && node.getText() === 'Math.random') return 'Math.random';
  if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) return 'await';
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'async';
  return undefined;
}

// A connection runs wherever its transport does, so nothing that it loads may need Node.
function portabilityProblems(graph: ReadonlyMap<string, readonly Import[]>): string[] {
  const path = findPath(graph, 'src/connection.ts', (target) => node.test(target));
  return path ? [`the connection needs Node: ${path.join(' -> ')}`] : [];
}

function cycleProblems(graph: ReadonlyMap<string, readonly Import[]>): string[] {
  const cycle = findCycle(graph);
  return cycle ? [`imports in a circle: ${cycle.join(' -> ')}`] : [];
}
