import type { Warning } from './warnings.js';

/** Of every use of classic. In a file of its own, which pages that do not speak it do not load. */
export const classicWarning: Warning = {
  text: 'the classic protocol has no authentication, no integrity and no forward secrecy: it is for peers of the old Python library only',
  type: 'SecurityWarning',
  code: 'SECURE_SOCKETS_CLASSIC',
};
