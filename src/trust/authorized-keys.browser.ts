import { defaultBackend } from '../defaults.browser.js';
import { PortableAuthorizedKeys } from './authorized-keys.js';

/**
 * The clients that a server lets in: a list of lines. In each there is a key, as fingerprint or as base64 of its SPKI, and
 * perhaps a name; `#` starts a comment.
 */
export class AuthorizedKeys extends PortableAuthorizedKeys {
  /** Throws BAD_OPTION for a line that cannot be read. */
  constructor(source: string | readonly string[]) {
    super([source].flat() as string[], defaultBackend);
  }
}
