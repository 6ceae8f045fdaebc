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
  Later,
  LaterAead,
  LaterDecapsulationKey,
  LaterKeyAgreement,
  LaterKeyEncapsulation,
  LaterRsaPublicKey,
  RsaPrivateKey,
  RsaPrivateNumbers,
  RsaPublicKey,
  RsaPublicNumbers,
} from './backend.js';
export { type BridgeOptions, bridge, CLASSIC_ENDED } from './client/bridge.js';
export type { PortableClient } from './client/client.js';
export { type AcceptedClient, type ConnectionDiagnostics, SecureClient } from './client/client.node.js';
export { connect } from './client/connect.node.js';
export type { ConnectionEnd } from './client/connection-end.js';
export type { ConnectOptions } from './client/establish.js';
export type { CloseOptions, EndOptions, RecvOptions, SendOptions } from './client/method-options.js';
export type { ReconnectOptions } from './client/reconnecting.js';
export { reconnecting } from './client/reconnecting.node.js';
export type { Bytes } from './core/bytes.js';
export type { Padding } from './core/sealed/padding.js';
export type { SuiteName } from './core/sealed/suites.js';
export type { HandshakeDiagnostics, Side } from './diagnostics.js';
export {
  type ArgumentError,
  type Blame,
  type ErrorCode,
  type ErrorDetails,
  errorCodes,
  SecureSocketError,
} from './errors.js';
export type { FileOption } from './files.node.js';
export type { PortableIdentity } from './identity/identity.js';
export { Identity, type SaveOptions } from './identity/identity.node.js';
export type { IdentityStoreOptions } from './identity/identity-store.js';
export { IdentityStore } from './identity/identity-store.node.js';
export type {
  Decrypter,
  PlatformKey,
  PlatformKeyPair,
  Signer,
  WebKey,
  WebKeyAlgorithm,
  WebKeyPair,
} from './identity/key.js';
export type { LoadOptions } from './identity/key-file.node.js';
export type { PemOptions } from './identity/key-text.js';
export type { GenerateOptions } from './identity/making.js';
export type { IdentityRole } from './identity/roles.js';
export type { KeyPairOptions } from './identity/web-key.js';
export type {
  AddressList,
  ClassicClientOptions,
  ClassicServerOptions,
  ClientOptions,
  CommonOptions,
  Peer,
  ProtocolName,
  SealedClientOptions,
  SealedServerOptions,
  ServerOptions,
} from './options/options.js';
export type { AcceptOptions } from './server/accept-queue.js';
export type { ServerCloseOptions } from './server/close-options.js';
export { type ListenOptions, listen } from './server/listen.node.js';
export type { ReloadOptions } from './server/reload.js';
export { type LimitDiagnostics, SecureServer } from './server/server.node.js';
export type { ServerStats } from './server/stats.js';
export { Sessions } from './sessions/sessions.js';
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
export type { AuthorizedKeysOptions, PortableAuthorizedKeys } from './trust/authorized-keys.js';
export { AuthorizedKeys, type AuthorizedKeysSource } from './trust/authorized-keys.node.js';
export type { AuthorizedKey } from './trust/authorized-lines.js';
export type {
  KnownHost,
  KnownHostsMode,
  ModeOption,
  PortableKnownHosts,
  StorageOption,
  StoredHosts,
} from './trust/known-hosts.js';
export { KnownHosts, type KnownHostsFile, type KnownHostsSource } from './trust/known-hosts.node.js';
export type { TextStore, WebStorage } from './trust/line-store.js';
