import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodePem, encodePem } from '../../../src/core/encodings/pem.js';
import { SecureSocketError } from '../../../src/errors.js';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
const der = Uint8Array.from(privateKey.export({ type: 'pkcs8', format: 'der' }));
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

test('what is written is what Node writes', () => {
  expect(encodePem('PRIVATE KEY', der)).toBe(pem);
});

test('no bytes are two lines without any between them', () => {
  expect(encodePem('KEY', new Uint8Array(0))).toBe('-----BEGIN KEY-----\n-----END KEY-----\n');
});

test('what Node writes is read', () => {
  expect(decodePem(pem)).toEqual({ label: 'PRIVATE KEY', der, explanatory: [] });
});

test('any bytes, label and explanation come back', () => {
  const label = fc.constantFrom(
    'PRIVATE KEY',
    'RSA PRIVATE KEY',
    'ENCRYPTED PRIVATE KEY',
    'PUBLIC KEY',
    'X509 CRL',
  );
  const lines = fc.array(
    fc.string().filter((line) => !/-----BEGIN|[\r\n]/.test(line)),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(label, fc.uint8Array({ minLength: 1, maxLength: 300 }), lines, (name, bytes, explanatory) => {
      expect(decodePem(encodePem(name, bytes, explanatory))).toEqual({
        label: name,
        der: bytes,
        explanatory,
      });
    }),
  );
});

test.each([
  ['CRLF', pem.replaceAll('\n', '\r\n')],
  ['no end of line at the end', pem.trimEnd()],
  ['blank lines at the end', `${pem}\n \n`],
])('accepted: %s', (_, text) => {
  expect(decodePem(text).der).toEqual(der);
});

describe('refused', () => {
  const [begin = '', first = '', ...others] = pem.trimEnd().split('\n');
  const end = others.pop() ?? '';
  const rest = others.join('\n');
  const whole = (...lines: string[]): string => lines.join('\n');

  test.each([
    ['nothing', '', 'no BEGIN line'],
    ['no BEGIN', whole(first, rest, end), 'no BEGIN line'],
    ['no END', whole(begin, first, rest), 'no END line for PRIVATE KEY'],
    ['END of something else', pem.replace('END PRIVATE', 'END PUBLIC'), 'no END line for PRIVATE KEY'],
    ['END before BEGIN', whole(end, begin, first, rest), 'no END line'],
    ['four hyphens before BEGIN, after another', pem.replace('-----BEGIN', '------BEGIN'), 'line 1'],
    ['space behind BEGIN', pem.replace('KEY-----\n', 'KEY----- \n'), 'line 1'],
    ['an empty label', pem.replaceAll('PRIVATE KEY', ''), 'line 1'],
    ['a label in lower case', pem.replaceAll('PRIVATE KEY', 'private key'), 'line 1'],
    ['a label with two spaces', pem.replaceAll('PRIVATE KEY', 'PRIVATE  KEY'), 'line 1'],
    ['text behind END', `${pem}text`, `text after line ${pem.trimEnd().split('\n').length}`],
    ['a second encoding', pem + pem, 'text after'],
    ['a header as in RFC 1421', whole(begin, 'Proc-Type: 4,ENCRYPTED', '', first, rest, end), 'line 2'],
    ['a blank line within', whole(begin, first, '', rest, end), 'line 3'],
    ['a blank line before END', whole(begin, first, '', end), 'line 3'],
    ['a short line that is not the last', whole(begin, first.slice(4), rest, end), 'line 2'],
    ['a long line', whole(begin, `${first}AAAA`, rest, end), 'line 2'],
    ['a space within', whole(begin, first.replace(/.$/, ' '), rest, end), 'base64'],
    ['a space behind a line', whole(begin, `${first} `, rest, end), 'line 2'],
    ['padding within', whole(begin, first.replace(/..$/, '=='), rest, end), 'base64'],
    ['base64 for addresses', whole(begin, first.replace(/.$/, '_'), rest, end), 'base64'],
    ['a missing character', whole(begin, first, rest.replace(/.$/, ''), end), 'base64'],
    ['bits in the padding', whole(begin, 'AB==', end), 'base64'],
    ['no content', whole(begin, end), 'base64'],
  ])('%s', (_, text, message) => {
    expect(() => decodePem(text)).toThrow(
      expect.objectContaining({ code: 'BAD_IDENTITY', message: expect.stringContaining(message) }),
    );
  });

  test('any other text, without another exception', () => {
    const piece = fc.constantFrom(begin, end, first, '-----', 'BEGIN', '\n', '\r', '=', 'AAAA', '');
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string())), fc.constantFrom('\n', ''), (pieces, glue) => {
        try {
          expect(decodePem(pieces.join(glue)).label).toBe('PRIVATE KEY');
        } catch (error) {
          if (!(error instanceof SecureSocketError)) throw error;
          expect(error.code).toBe('BAD_IDENTITY');
        }
      }),
      { numRuns: 1000 },
    );
  });
});
