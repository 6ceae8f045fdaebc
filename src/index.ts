/**
 * Encrypted, message-framed sockets with an API as plain as Python's `socket`, and no certificates.
 *
 * @module secure-sockets
 */
export type { AcceptOptions } from './accept-queue.js';
export type {
  Aead,
  Backend,
  BlockCipher,
  DecapsulationKey,
  Encapsulated,
  KeyAgreement,
  KeyEncapsulation,
  RsaPrivateKey,
  RsaPrivateNumbers,
  RsaPublicKey,
  RsaPublicNumbers,
} from './backend.js';
export { type CloseOptions, type RecvOptions, SecureClient } from './client.js';
export type { ConnectionDiagnostics, HandshakeDiagnostics, LimitDiagnostics, Side } from './diagnostics.js';
export { type Blame, type ErrorCode, type ErrorDetails, errorCodes, SecureSocketError } from './errors.js';
export type { ConnectOptions } from './establish.js';
export {
  type GenerateOptions,
  Identity,
  type IdentityRole,
  type LoadOptions,
  type SaveOptions,
} from './identity.js';
export type {
  AddressList,
  ClientOptions,
  CommonOptions,
  KnownHostsOption,
  Peer,
  ProtocolName,
  ServerOptions,
  SuiteName,
} from './options.js';
export { type ReconnectOptions, reconnecting } from './reconnecting.js';
export { SecureServer, type ServerCloseOptions, type ServerStats } from './server.js';
export type { Transport, TransportEvents } from './transport.js';
export { fromDuplex } from './transports/duplex.js';
export type { TcpAddress, UnixAddress } from './transports/tcp.js';
