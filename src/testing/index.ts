/**
 * For the tests of programs and packages that use this library: what a transport of one's own must keep.
 *
 * @module secure-sockets/testing
 */

export { type CheckTransportOptions, checkTransport, type MakePair } from './check-transport.js';
