import ts from 'typescript';
import { findCycle, type Import, importGraph, isReference, type Tree, visitNodes } from './imports.js';

/** Who may import whom. Returns one sentence per offence; none means that the tree keeps the rules. */
export function importProblems(tree: Tree): string[] {
  const graph = importGraph(tree);
  return [
    ...[...graph].flatMap(([file, imports]) => roomProblems(file, imports)),
    ...[...graph].flatMap(([file, imports]) => nodeProblems(file, imports)),
    ...[...tree]
      .filter(([file]) => file.startsWith('src/core/'))
      .flatMap(([file, text]) => purityProblems(file, text)),
    ...cycleProblems(graph),
  ];
}

interface Room {
  readonly name: string;
  readonly files: RegExp;
  /** Packages, and files of `backends/`. */
  readonly packages?: readonly RegExp[];
  /** Of the rooms below only these, and only their types. Default: all of the rooms below. */
  readonly onlyTypesOf?: readonly RegExp[];
}

const queue = /^p-queue$/;
const toml = /^smol-toml$/;
const ws = /^ws$/;
/** For the version, which is built in. */
const manifest = /^package\.json$/;
const noble = /^@noble\/(ciphers|curves|hashes|post-quantum)\//;
const backends = /^backends\/(node|sodium|web|web-client|forge|noble)\.ts$/;
/** By a name that bundlers cannot read, since their packages need not be installed. */
const optional = /^`secure-sockets\/backends\/\$\{name\}`$/;
const fallbacks = /^backends\/fallbacks(-[\w-]+)?\.ts$/;
const shared = /^backends\/(?!(node|sodium|web|forge|noble|fallbacks)\b)[\w-]+\.ts$/;
const errors = /^src\/errors\.ts$/;
const backend = /^src\/backend\.ts$/;
const numbers = /^src\/(numbers|rsa-components)\.ts$/;

/** From the ground up: a file may import its own room and the rooms before it. */
const floors: readonly Room[] = [
  { name: 'errors', files: errors },
  { name: 'arguments', files: /^src\/(arguments|suggest)\.ts$/ },
  { name: 'backend', files: backend },
  { name: 'numbers', files: numbers, onlyTypesOf: [backend] },
  { name: 'core', files: /^src\/core\//, packages: [numbers], onlyTypesOf: [backend] },
  { name: 'turns', files: /^src\/turn\.ts$/ },
  { name: 'transports', files: /^src\/transports\// },
  { name: 'testing', files: /^src\/testing\// },
  { name: 'sessions', files: /^src\/sessions\// },
  { name: 'connection', files: /^src\/connection\//, packages: [queue] },
  { name: 'streams', files: /^src\/streams\// },
  { name: 'callbacks', files: /^src\/callbacks\.ts$/ },
  { name: 'diagnostics', files: /^src\/diagnostics(\.node)?\.ts$/ },
  { name: 'inspection', files: /^src\/inspection\.ts$/ },
  { name: 'defaults', files: /^src\/defaults(-server)?(\.node|\.browser)?\.ts$/, packages: [backends] },
  { name: 'files', files: /^src\/files\.node\.ts$/ },
  { name: 'identity', files: /^src\/identity\// },
  { name: 'trust', files: /^src\/trust\// },
  { name: 'options', files: /^src\/options\// },
  { name: 'client', files: /^src\/client\// },
  { name: 'server', files: /^src\/server\// },
  { name: 'entry', files: /^src\/(index|browser)\.ts$/, packages: [backends] },
  { name: 'command', files: /^src\/cli\//, packages: [backends, optional, queue, toml, ws, manifest] },
];

/** Beside the floors. They implement the interface of `src/backend.ts` and know of nothing else. */
const beside: readonly Room[] = [
  // Bun and Deno have ML-KEM in Web Cryptography alone
  backendRoom('node', [/^backends\/web-ml-kem\.ts$/]),
  // what libsodium has none of it takes from the other native backend
  backendRoom('sodium', [/^sodium-native$/, /^backends\/node(-bytes)?\.ts$/]),
  // and what the platform has in no synchronous form, from JavaScript
  backendRoom('web', [noble, /^backends\/noble(-[\w-]+)?\.ts$/]),
  backendRoom('forge', [/^node-forge(\/|$)/]),
  backendRoom('noble', [noble, /^micro-rsa-dsa-dh(\/|$)/]),
  { name: 'fallbacks', files: fallbacks, packages: [noble, shared], onlyTypesOf: [backend] },
  { name: 'shared by backends', files: shared, packages: [shared, numbers], onlyTypesOf: [backend] },
];

// A backend is NAME.ts and its own NAME-*.ts. What its library lacks it takes from fallbacks.ts, and what needs no
// library from the files that all share.
function backendRoom(name: string, libraries: readonly RegExp[]): Room {
  const own = new RegExp(`^backends/${name}(-[\\w-]+)?(\\.d)?\\.ts$`);
  return {
    name: `backend ${name}`,
    files: own,
    packages: [own, fallbacks, shared, numbers, ...libraries],
    onlyTypesOf: [backend],
  };
}

function roomProblems(file: string, imports: readonly Import[]): string[] {
  const room = [...floors, ...beside].find(({ files }) => files.test(file));
  if (room === undefined) return [`${file} belongs to no room`];
  return imports
    .filter((one) => !one.target.startsWith('node:') && !isAllowed(room, one))
    .map(
      ({ target, typeOnly }) =>
        `${file} (${room.name}) may not import ${typeOnly ? 'types of ' : ''}${target}`,
    );
}

function isAllowed(room: Room, { target, typeOnly }: Import): boolean {
  if (room.files.test(target) || room.packages?.some((pattern) => pattern.test(target))) return true;
  const below = floors.slice(0, Math.max(0, floors.indexOf(room)));
  if (room.onlyTypesOf === undefined) return below.some(({ files }) => files.test(target));
  // the core throws errors; everything else that it takes from outside is a type
  if (room.name === 'core' && errors.test(target)) return true;
  return typeOnly && room.onlyTypesOf.some((pattern) => pattern.test(target));
}

/** Files that may need Node say so in their name; the command and the native backends are Node's altogether. */
const needsNode = /\.node\.ts$|^src\/cli\/|^backends\/(node|sodium)(-[\w-]+)?\.ts$/;
/** Chooses what a program on Node gets. */
const nodeEntry = /^src\/index\.ts$/;

// Types of a file that needs Node are free, so that a portable file can name what it is handed.
function nodeProblems(file: string, imports: readonly Import[]): string[] {
  if (needsNode.test(file)) return [];
  return imports
    .filter(({ target, typeOnly }) => target.startsWith('node:') || (!typeOnly && needsNode.test(target)))
    .filter(({ target }) => !nodeEntry.test(file) || target.startsWith('node:'))
    .map(({ target }) => `${file} does not say in its name that it needs Node, and imports ${target}`);
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

function cycleProblems(graph: ReadonlyMap<string, readonly Import[]>): string[] {
  const cycle = findCycle(graph);
  return cycle ? [`imports in a circle: ${cycle.join(' -> ')}`] : [];
}
