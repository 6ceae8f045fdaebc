/**
 * Encrypted, message-framed sockets with an API as plain as Python's `socket`, and no certificates.
 *
 * @module secure-sockets
 */

export type {
  Aead,
  AeadName,
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
export type { CloseOptions, RecvOptions } from './client/client.js';
export { SecureClient } from './client/client.node.js';
export type { ConnectOptions } from './client/establish.js';
export type { ReconnectOptions } from './client/reconnecting.js';
export { reconnecting } from './client/reconnecting.node.js';
export type { SuiteName } from './core/sealed/suites.js';
export type {
  ConnectionDiagnostics,
  HandshakeDiagnostics,
  LimitDiagnostics,
  Side,
} from './diagnostics.js';
export {
  type ArgumentError,
  type Blame,
  type ErrorCode,
  type ErrorDetails,
  errorCodes,
  SecureSocketError,
} from './errors.js';
export {
  type GenerateOptions,
  Identity,
  type IdentityRole,
  type LoadOptions,
  type SaveOptions,
} from './identity.node.js';
export type {
  AddressList,
  ClientOptions,
  CommonOptions,
  Peer,
  ProtocolName,
  ServerOptions,
} from './options/options.js';
export type { AcceptOptions } from './server/accept-queue.js';
export type { ServerCloseOptions, ServerStats } from './server/server.js';
export { SecureServer } from './server/server.node.js';
export { fromDuplex } from './transports/duplex.node.js';
export { type MessageEventLike, type MessagePortLike, messagePort } from './transports/message-port.js';
export type { ReadAheadOptions } from './transports/read-ahead.js';
export type { TcpAddress, UnixAddress } from './transports/tcp.node.js';
export type { Transport, TransportEvents } from './transports/transport.js';
export {
  type BunWebSocketHandlers,
  bunWebSocket,
  WEB_SOCKET_PROTOCOL,
  type WebSocketClass,
  type WebSocketOptions,
  webSocket,
} from './transports/web-socket.js';
export type {
  BunServerWebSocket,
  WebSocketEventLike,
  WebSocketLike,
} from './transports/web-socket-driver.js';
export { type StreamPair, type WebStreamsOptions, webStreams } from './transports/web-streams.js';
export type { FileOption } from './trust/file-location.node.js';
export type { KnownHostsOption } from './trust/trust.node.js';
