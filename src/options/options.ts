import type { Backend } from '../backend.js';
import type { Bytes } from '../core/bytes.js';
import type { Padding } from '../core/sealed/padding.js';
import type { SuiteName } from '../core/sealed/suites.js';
import type { PortableIdentity } from '../identity/identity.js';
import type { Sessions } from '../sessions/sessions.js';
import type { PortableAuthorizedKeys } from '../trust/authorized-keys.js';
import type { AuthorizedKeysSource } from '../trust/authorized-keys.node.js';
import type { PortableKnownHosts } from '../trust/known-hosts.js';
import type { KnownHostsSource } from '../trust/known-hosts.node.js';

/**
 * The two protocols. `sealed` is the default; `classic` speaks to peers of the old Python library and protects little.
 */
export type ProtocolName = 'sealed' | 'classic';

/** Whom a peer proved to be. */
export interface Peer {
  /** `SHA256:` and 43 characters of base64: the SHA-256 of `spki`. */
  readonly fingerprint: string;
  /** The name beside its key in `authorizedKeys`, if there is one. */
  readonly name?: string;
  /** Its public key as SubjectPublicKeyInfo, DER. */
  readonly spki: Bytes;
}

/**
 * Options of both ends in both protocols. Times in milliseconds, sizes in bytes.
 *
 * The options of an end and a protocol are made by `extends` and not by `Omit`: so an option is one declaration, and an
 * editor shows its sentence where a program gives it.
 */
export interface SharedOptions {
  /**
   * The implementation of cryptography: an object of `secure-sockets/backends/node` (default; in browsers `/web`),
   * `/sodium`, `/web`, `/noble` or `/forge`.
   */
  backend?: Backend | undefined;
  /** The largest message received, in bytes. Default 16 MiB (16777216); 1024 to 2147483647, classic at most 999999967. */
  maxMessage?: number | undefined;
  /** Milliseconds from the start of the connection to the end of the handshake, in total. Default 10000. */
  handshakeTimeout?: number | undefined;
  /** Milliseconds that `close()` waits for the peer's end without progress before it gives up. Default 5000. */
  closeTimeout?: number | undefined;
  /** Whether the peer's end leaves this side open for sending. Default false: the end is answered with the end. */
  allowHalfOpen?: boolean | undefined;
  /** Bytes, encrypted or waiting to be, from which on `send()` waits for the network. Default 1 MiB (1048576). */
  highWaterMark?: number | undefined;
  /** With more than this many bytes waiting, `send()` rejects with SEND_QUEUE_FULL. Default 64 MiB (67108864). */
  maxSendQueue?: number | undefined;
  /** TCP keep-alive probes. Default true. */
  keepAlive?: boolean | undefined;
  /** Milliseconds of silence before the first TCP keep-alive probe. Default 60000. */
  keepAliveInitialDelay?: number | undefined;
  /** Milliseconds without a message in either direction after which the connection ends. Default 0: never. */
  idleTimeout?: number | undefined;
  /**
   * Told the secrets of every connection, a line each, so that a recording of it can be decrypted: for debugging, and
   * never otherwise. Warns once. The format is in docs/protocol.md. Default: none.
   */
  keylog?: ((line: string) => void) | undefined;
}

/** Options of both ends that sealed alone has. */
export interface SealedOnlyOptions {
  /** Milliseconds without a byte from the peer until it is sent a PING; 0: never. Default 30000. Sealed only. */
  pingInterval?: number | undefined;
  /**
   * Further milliseconds without a byte until the connection ends with PING_TIMEOUT. Default 20000, at least 20000
   * together with `pingInterval`. Sealed only.
   */
  pingTimeout?: number | undefined;
  /**
   * Key exchanges and ciphers, in order of preference. Default: the hybrid first where ML-KEM is native, else
   * `['X25519']`. Sealed only.
   */
  suites?: readonly SuiteName[] | undefined;
  /**
   * Hides the lengths of what is sent: records are padded to a multiple of this many bytes, 2 to 16384, or with
   * `'padme'` by at most 12 % to lengths that tell little. Default: none. Sealed only.
   */
  padding?: Padding | undefined;
  /**
   * The largest record received, in bytes. Default 1052672, or 131072 on JavaScript backends; 16384 to 1052672. Sealed
   * only.
   */
  maxRecord?: number | undefined;
}

/** Options of both ends that classic alone has. */
export interface ClassicOnlyOptions {
  /** Length of the session key in bytes: 16, 24 or 32, the same on both ends. Default 32. Classic only. */
  keyLength?: 16 | 24 | 32 | undefined;
}

/** Every option of both ends, whatever the protocol. */
export interface CommonOptions extends SharedOptions, SealedOnlyOptions, ClassicOnlyOptions {
  /** `'sealed'` (default) or `'classic'`. Both ends must use the same; there is no negotiation and no fallback. */
  protocol?: ProtocolName | undefined;
}

/** What a `BlockList` of `node:net` has. */
export interface AddressList {
  /** Whether an address is on the list. */
  check(address: string, family?: 'ipv4' | 'ipv6'): boolean;
}

/** Options of a client in both protocols. */
export interface SharedClientOptions extends SharedOptions {
  /**
   * The fingerprint of the server's key, or an array of several: `SHA256:` and 43 characters of base64, as
   * `server.fingerprint` and `secure-sockets keygen` give it. In classic it is checked too, but protects no message.
   */
  serverKey?: string | readonly string[] | undefined;
}

/** Options of a {@link SecureClient} that speaks sealed, on every platform. */
export interface PortableSealedClientOptions extends SharedClientOptions, SealedOnlyOptions {
  /** `'sealed'`, the default. Both ends must use the same; there is no negotiation and no fallback. */
  protocol?: 'sealed' | undefined;
  /** Decides whether to trust the server, by its key; may be asynchronous. Anything but `true` refuses. Sealed only. */
  verifyServer?: ((spki: Bytes, fingerprint: string) => boolean | Promise<boolean>) | undefined;
  /** Who this client is, if the server asks: an identity of role `client`. Default: none. Sealed only. */
  identity?: PortableIdentity | undefined;
  /** Where tickets are kept for connecting again in one round trip. Default: none are asked for. Sealed only. */
  sessions?: Sessions | undefined;
}

/** Options of a {@link SecureClient} that speaks sealed. */
export interface SealedClientOptions extends PortableSealedClientOptions {
  /**
   * The servers that are known: a file, by its path or `file:` URL, alone or with what to do with unknown servers;
   * what a program keeps in `{ load, save }` or `{ storage }`; or `KnownHosts`. Sealed only.
   */
  knownHosts?: KnownHostsSource | PortableKnownHosts | undefined;
}

/** Options of a {@link SecureClient} that speaks classic. */
export interface ClassicClientOptions extends SharedClientOptions, ClassicOnlyOptions {
  /** `'classic'`, for peers of the old Python library alone: it protects little. Both ends must use the same. */
  protocol: 'classic';
  /** The smallest modulus of a server's key taken, in bits. Default 2048, at least 512. Classic only. */
  minModulusBits?: number | undefined;
  /** Milliseconds that the first message waits for a first byte of the server. Default 100. Classic only. */
  settleMs?: number | undefined;
}

/** Options of a {@link SecureClient}, told apart by `protocol`. */
export type ClientOptions = SealedClientOptions | ClassicClientOptions;

/** Every option of a client, whatever its protocol. */
export interface EveryClientOption
  extends Omit<SealedClientOptions, 'protocol'>,
    Omit<ClassicClientOptions, 'protocol'> {
  /** The protocol. */
  protocol?: ProtocolName | undefined;
}

/** Options of a server in both protocols. */
export interface SharedServerOptions extends SharedOptions {
  /**
   * The server's key, as `await Identity.load(path)` gives it. Default: a new one for this server object alone, which
   * clients that have pinned an earlier one refuse.
   */
  identity?: PortableIdentity | undefined;
  /** Size of the key made when there is no `identity`, in bits. Default 3072, classic 2048. */
  modulusLength?: number | undefined;
  /** Handshakes under way at once; further connections are refused with BUSY. Default 256. */
  maxPendingHandshakes?: number | undefined;
  /** The same for one IPv4 address or IPv6 /64; loopback and Unix domain sockets are not counted. Default 32. */
  maxPendingPerSource?: number | undefined;
  /** Connections at once, handshakes included. Default: no limit but the system's. */
  maxConnections?: number | undefined;
  /** Clients that may wait for `accept()`, and connections that wait in the system to be taken in. Default 511. */
  backlog?: number | undefined;
  /**
   * Bytes that all connections may hold together, in both directions: unfinished and unread messages, and messages that wait
   * to be sent. Beyond it the address that holds the most loses its connection that holds the most, with BUFFER_LIMIT.
   * Default 256 MiB (268435456).
   */
  maxBuffered?: number | undefined;
  /** Addresses that are not let in: a `BlockList` of `node:net`, or anything with its `check`. */
  blockList?: AddressList | undefined;
  /**
   * Addresses of proxies, as a `BlockList` of `node:net`: connections from them begin with a PROXY protocol header,
   * version 1 or 2, which says where they really come from. Default: none.
   */
  trustedProxies?: AddressList | undefined;
  /** Told of every connection that did not become a client. What it throws or rejects with is a warning. */
  onHandshakeError?:
    | ((error: Error, from: { remoteAddress: string | undefined; remotePort: number | undefined }) => void)
    | undefined;
}

/** Options of a {@link SecureServer} that speaks sealed, on every platform. */
export interface PortableSealedServerOptions extends SharedServerOptions, SealedOnlyOptions {
  /** `'sealed'`, the default. Both ends must use the same; there is no negotiation and no fallback. */
  protocol?: 'sealed' | undefined;
  /**
   * Whether clients show who they are. Default `'none'`, or `'required'` with `authorizedKeys` or `verifyClient`.
   * Sealed only.
   */
  clientAuth?: 'none' | 'optional' | 'required' | undefined;
  /**
   * Whether connections of a client end when its key is no longer among `authorizedKeys`. Default false. Sealed only.
   */
  disconnectRevoked?: boolean | undefined;
  /** Decides about a client that has proven its key; may be asynchronous. Anything but `true` refuses. Sealed only. */
  verifyClient?: ((spki: Bytes, fingerprint: string) => boolean | Promise<boolean>) | undefined;
  /**
   * Keys for the tickets that let clients resume, 32 bytes each, the first of which encrypts: for several processes
   * with one `identity`. Anyone who has one can impersonate the server and any of its clients. Default: random ones,
   * a new one every hour, in memory only. Sealed only.
   */
  ticketKeys?: readonly Uint8Array[] | undefined;
  /**
   * Milliseconds after a full handshake for which connections may be resumed. Default 28800000 (8 h), at most 24 h; 0:
   * never. Sealed only.
   */
  ticketLifetime?: number | undefined;
}

/** Options of a {@link SecureServer} that speaks sealed. */
export interface SealedServerOptions extends PortableSealedServerOptions {
  /**
   * The clients let in: fingerprints, `{ path }` or the URL of a file with one key and name a line, or
   * `AuthorizedKeys`. Sealed only.
   */
  authorizedKeys?: AuthorizedKeysSource | PortableAuthorizedKeys | undefined;
}

/** Options of a {@link SecureServer} that speaks classic. */
export interface ClassicServerOptions extends SharedServerOptions, ClassicOnlyOptions {
  /** `'classic'`, for peers of the old Python library alone: it protects little. Both ends must use the same. */
  protocol: 'classic';
}

/** Options of a {@link SecureServer}, told apart by `protocol`. */
export type ServerOptions = SealedServerOptions | ClassicServerOptions;

/** Every option of a server, whatever its protocol. */
export interface EveryServerOption
  extends Omit<SealedServerOptions, 'protocol'>,
    Omit<ClassicServerOptions, 'protocol'> {
  /** The protocol. */
  protocol?: ProtocolName | undefined;
}

/** Options of a server that sealed alone has. The table of options says the same, or does not compile. */
export type SealedOption = Exclude<keyof SealedServerOptions, keyof ClassicServerOptions>;

/** Those of a client: classic has no client that shows who it is. */
export type SealedClientOption = Exclude<keyof SealedClientOptions, keyof ClassicClientOptions>;

/** Options that classic alone has. */
export type ClassicOption = Exclude<keyof ClassicClientOptions, keyof SealedClientOptions>;
