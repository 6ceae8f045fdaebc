/**
 * The same library where there is no Node: in browsers, workers and edge runtimes. Without TCP, files and the node
 * backend, which such places do not have; connections run over transports.
 *
 * @module secure-sockets/browser
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
export { type AcceptedClient, type ClientOptions, SecureClient } from './client/client.browser.js';
export type { PortableClient } from './client/client.js';
export { connect } from './client/connect.browser.js';
export type { ConnectionEnd } from './client/connection-end.js';
export type { ConnectOptions } from './client/establish.js';
export type { CloseOptions, EndOptions, RecvOptions, SendOptions } from './client/method-options.js';
export { reconnecting } from './client/reconnecting.browser.js';
export type { ReconnectOptions } from './client/reconnecting.js';
export type { Bytes } from './core/bytes.js';
export type { SuiteName } from './core/sealed/suites.js';
export {
  type ArgumentError,
  type Blame,
  type ErrorCode,
  type ErrorDetails,
  errorCodes,
  SecureSocketError,
} from './errors.js';
export { Identity } from './identity/identity.browser.js';
export type { PortableIdentity } from './identity/identity.js';
export { IdentityStore } from './identity/identity-store.browser.js';
export type { IdentityStoreOptions } from './identity/identity-store.js';
export type {
  Decrypter,
  PlatformKey,
  PlatformKeyPair,
  Signer,
  WebKey,
  WebKeyAlgorithm,
  WebKeyPair,
} from './identity/key.js';
export type { GenerateOptions } from './identity/making.js';
export type { IdentityRole } from './identity/roles.js';
export type { KeyPairOptions } from './identity/web-key.js';
export type {
  AddressList,
  ClassicClientOptions,
  ClassicServerOptions,
  CommonOptions,
  Peer,
  ProtocolName,
} from './options/options.js';
export type { AcceptOptions } from './server/accept-queue.js';
export type { ServerCloseOptions } from './server/close-options.js';
export type { ReloadOptions } from './server/reload.js';
export { SecureServer, type ServerOptions } from './server/server.browser.js';
export type { ServerStats } from './server/stats.js';
export { Sessions } from './sessions/sessions.js';
export { type MessageEventLike, type MessagePortLike, messagePort } from './transports/message-port.js';
export type { ReadAheadOptions } from './transports/read-ahead.js';
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
export { AuthorizedKeys } from './trust/authorized-keys.browser.js';
export type { AuthorizedKeysOptions, PortableAuthorizedKeys } from './trust/authorized-keys.js';
export type { AuthorizedKey } from './trust/authorized-lines.js';
export type {
  KnownHost,
  KnownHostsMode,
  ModeOption,
  StorageOption,
  StoredHosts,
} from './trust/known-hosts.js';
export { PortableKnownHosts as KnownHosts } from './trust/known-hosts.js';
export type { TextStore, WebStorage } from './trust/line-store.js';
