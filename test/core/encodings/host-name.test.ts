import { SocketAddress } from 'node:net';
import { domainToASCII } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalHost } from '../../../src/core/encodings/host-name.js';

describe('domain names', () => {
  test.each([
    ['capitals (RFC 1123 2.1, RFC 4343)', 'WWW.Example.ORG', 'www.example.org'],
    ['a label that begins with a digit (RFC 1123 2.1)', '3com.com', '3com.com'],
    ['hyphens within', 'a-b--c.example', 'a-b--c.example'],
    ['one label', 'LOCALHOST', 'localhost'],
    ['the dot of the root (RFC 1034 3.1)', 'example.org.', 'example.org'],
    ['a label of 63 characters', `${'a'.repeat(63)}.org`, `${'a'.repeat(63)}.org`],
    ['underscores, which files and the DNS have although RFC 952 has not', '_Srv.a_b', '_srv.a_b'],
    ['a U-label (RFC 5890 2.3.2.1)', 'bücher.example', 'xn--bcher-kva.example'],
    ['a U-label in capitals', 'BÜCHER.example', 'xn--bcher-kva.example'],
    ['an A-label in capitals (RFC 5890 2.3.2.1)', 'XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
    ['a decomposed character (RFC 5891 4.1)', 'bu\u0308cher.example', 'xn--bcher-kva.example'],
    ['a letter of IDNA 2008 that IDNA 2003 did not have', 'straße.example', 'xn--strae-oqa.example'],
    ['full-width letters', '\uff45xample.org', 'example.org'],
    ['an ideographic full stop (RFC 3490 3.1)', 'example\u3002org', 'example.org'],
    ['a Kelvin sign', '\u212a.example', 'k.example'],
    ['a soft hyphen', 'exam\u00adple.org', 'example.org'],
    ['what looks like an A-label and is none', 'XN--A.example', 'xn--a.example'],
    ['what looks like a number and is too large for an address', 'FOO.0X100000000', 'foo.0x100000000'],
    ['the dot of the root behind what is no A-label', 'xn--a.', 'xn--a'],
  ])('%s', (_, text, name) => {
    expect(canonicalHost(text)).toBe(name);
    expect(canonicalHost(name)).toBe(name);
  });

  test('only the last dot, and only one, is that of the root', () => {
    expect(canonicalHost('a.b.')).toBe('a.b');
    expect(canonicalHost('a..')).not.toBe('a');
    expect(canonicalHost('a..')).not.toBe('a.');
    expect(canonicalHost('.a')).not.toBe('a');
    expect(canonicalHost('.')).not.toBe('');
  });

  test('letters of other scripts that look the same are another name', () => {
    expect(canonicalHost('p\u0430ypal.example')).toBe('xn--pypal-4ve.example');
  });

  test.each([
    'fußball.example',
    'παράδειγμα.δοκιμή',
    '例え.テスト',
    'пример.испытание',
    'उदाहरण.परीक्षा',
    '\u0645\u062b\u0627\u0644.\u0625\u062e\u062a\u0628\u0627\u0631',
  ])('%s is its A-labels', (text) => {
    const name = canonicalHost(text) ?? '';
    expect(name).toMatch(/^xn--[a-z0-9-]+\.(xn--[a-z0-9-]+|example)$/);
    expect(name).toBe(domainToASCII(text));
    expect(canonicalHost(name.toUpperCase())).toBe(name);
  });

  test('names of letters, digits and hyphens are themselves in lowercase (RFC 952)', () => {
    const label = fc.stringMatching(/^[A-Za-z]([A-Za-z0-9]{0,20}[A-Za-z0-9])?$/);
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), (labels) => {
        const name = labels.join('.').toLowerCase();
        expect(canonicalHost(labels.join('.'))).toBe(name);
        expect(canonicalHost(`${labels.join('.')}.`)).toBe(name);
      }),
    );
  });
});

describe('texts that are no name', () => {
  test.each([
    '#',
    '%',
    '/',
    ':',
    '?',
    '@',
    '\\',
    '[',
    ']',
    '*',
    ',',
    '!',
    '$',
    '&',
    "'",
    '(',
    ')',
    '+',
    ';',
    '=',
  ])('%s is in none', (character) => {
    for (const text of [character, `${character}a`, `a${character}`, `a.b${character}c`])
      expect(canonicalHost(text), text).toBeUndefined();
  });

  test.each(['|', '"', '<', '>', '^', '`', '{', '}', '~', '\u200b\u200d', '\ufffd'])(
    '%j is in none',
    (character) => {
      expect(canonicalHost(`a${character}b.org`)).toBeUndefined();
    },
  );

  test('nor is white space or a control character, where parsers of URLs leave some out', () => {
    const codes = [
      ...Array.from({ length: 33 }, (_, code) => code),
      0x7f,
      0x85,
      0xa0,
      0x2003,
      0x2028,
      0x2029,
      0xfeff,
    ];
    for (const code of codes) {
      const character = String.fromCharCode(code);
      for (const text of [character, `${character}a.org`, `a.org${character}`, `a.o${character}rg`])
        expect(canonicalHost(text), JSON.stringify(text)).toBeUndefined();
    }
  });

  test.each([
    ['nothing', ''],
    ['a URL', 'https://example.org/'],
    ['a host and a port', 'example.org:5000'],
    ['an IPv4 address and a port', '192.0.2.1:5000'],
    ['a host and a path', 'example.org/a'],
    ['a user and a host', 'user@example.org'],
    ['a percent-encoded letter', 'ex%61mple.org'],
    ['a name in brackets', '[example.org]'],
    ['an IPv4 address in brackets', '[192.0.2.1]'],
    ['nothing in brackets', '[]'],
    ['a pattern', '*.example.org'],
    ['a list', 'a.org,b.org'],
    ['what becomes nothing', '\u00ad'],
    ['a direction that is overridden', 'a\u202eb.org'],
    ['a lone surrogate', 'a\ud800.org'],
  ])('%s', (_, text) => {
    expect(canonicalHost(text)).toBeUndefined();
  });
});

describe('IPv4 addresses', () => {
  test.each(['0.0.0.0', '127.0.0.1', '192.0.2.255', '255.255.255.255'])('%s is itself', (text) => {
    expect(canonicalHost(text)).toBe(text);
  });

  // inet_aton(3), which getaddrinfo(3) reads numbers with
  test.each([
    ['127.0.0.1', '127.1', '127.0.1', '0x7f000001', '2130706433', '0177.0.0.1', '0x7f.1', '127.0.0.1.'],
    ['0.0.0.0', '0', '0x', '0x0', '0.0'],
    ['192.0.2.33', '192.0.545', '192.0.2.041', '0XC0000221', '\uff11\uff19\uff12.0.2.33'],
    ['255.255.255.255', '4294967295', '0xffffffff'],
  ])('%s has one name, however it is spelled', (name, ...spellings) => {
    for (const spelling of spellings) expect(canonicalHost(spelling), spelling).toBe(name);
  });

  test.each(['256.0.0.1', '1.2.3.4.5', '1.2.3.256', '4294967296', '1.2.65536'])('%s is none', (text) => {
    expect(canonicalHost(text)).toBe(text);
  });
});

describe('IPv6 addresses', () => {
  // RFC 5952: 4.1 leading zeros, 4.2 the longest run of zeros, the first of equal ones, never one group, 4.3 lowercase
  test.each([
    ['::', '0:0:0:0:0:0:0:0', '[::]', '::0.0.0.0', '0::0'],
    ['::1', '0:0:0:0:0:0:0:1', '0::1', '::0001', '[::1]', '::0.0.0.1'],
    ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1', '2001:db8::0:1', '2001:db8::0.0.0.1'],
    ['2001:db8::1:0:0:1', '2001:db8:0:0:1:0:0:1', '2001:db8:0:0:1::1'],
    ['2001:0:0:1::1', '2001:0:0:1:0:0:0:1', '2001::1:0:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8::1:1:1:1:1'],
    ['1::', '1:0:0:0:0:0:0:0', '[1::0]'],
    ['fe80::1', 'FE80::1%eth0', 'fe80::1%2', '[fe80::1%25]', 'fe80::1%a_b.c-d'],
    ['64:ff9b::c000:221', '64:ff9b::192.0.2.33', '64:FF9B::C000:0221'],
  ])('%s has one name, however it is spelled', (name, ...spellings) => {
    for (const spelling of [name, ...spellings]) expect(canonicalHost(spelling), spelling).toBe(name);
  });

  test('an address of an IPv4 machine is that machine', () => {
    for (const spelling of [
      '::ffff:192.0.2.33',
      '::FFFF:c000:221',
      '0:0:0:0:0:ffff:192.0.2.33',
      '[::ffff:192.0.2.33]',
    ])
      expect(canonicalHost(spelling), spelling).toBe('192.0.2.33');
    expect(canonicalHost('::ffff:0:1%3')).toBe('0.0.0.1');
  });

  // the prefix is five groups of zeros and ffff (RFC 4291 2.5.5.2), and no part of it
  test.each([
    ['1::ffff:c000:221', '1::ffff:c000:221'],
    ['0:1::ffff:c000:221', '0:1::ffff:c000:221'],
    ['0:0:0:0:1:ffff:c000:221', '::1:ffff:c000:221'],
    ['2001:db8:1:2:3:ffff:192.0.2.33', '2001:db8:1:2:3:ffff:c000:221'],
    ['::fffe:c000:221', '::fffe:c000:221'],
    ['::192.0.2.33', '::c000:221'],
    ['::ffff:0:192.0.2.33', '::ffff:0:c000:221'],
  ])('%s is no IPv4 machine', (text, name) => {
    expect(canonicalHost(text)).toBe(name);
  });

  test.each([
    ':',
    ':::',
    '::1::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4::5:6:7:8',
    '12345::',
    '::g',
    ':1:2:3:4:5:6:7',
    '::192.0.2.256',
    '::192.0.2',
    '192.0.2.1::',
    '[::1',
    '::1]',
    '[[::1]]',
    '[::1]:5000',
    '[::1]\n',
    '\n[::1]',
    '::1%',
    '::1%a/b',
    '::1%a b',
    '::1%25%25',
    '::1%é',
    '%eth0::1',
    '::1\n',
    ' ::1',
  ])('%j is none, and no name either', (text) => {
    expect(canonicalHost(text)).toBeUndefined();
  });

  test('any address is named as the system writes it, or as IPv4', () => {
    const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const text = groups.map((part) => part.toString(16)).join(':');
        const { address } = new SocketAddress({ address: text, family: 'ipv6' });
        const name = canonicalHost(text) ?? '';
        // the system writes the deprecated IPv4-compatible addresses in dots too
        expect(canonicalHost(address)).toBe(name);
        // Bun (1.4.5) does not shorten the longest run of zeros, as RFC 5952, 4.2.3 has it
        if (!address.includes('.') && !process.versions.bun) expect(name).toBe(address);
        if (address.startsWith('::ffff:') && address.includes('.')) expect(name).toBe(address.slice(7));
      }),
    );
  });
});

describe('Unix domain sockets', () => {
  test.each(['unix:/run/app.sock', 'unix:Relative/./Path', 'unix:/a b#%c:[d]', 'unix:\0abstract', 'unix::'])(
    '%j is taken as it is',
    (text) => {
      expect(canonicalHost(text)).toBe(text);
    },
  );

  test('without a path there is none', () => {
    expect(canonicalHost('unix:')).toBeUndefined();
    expect(canonicalHost('UNIX:/run/app.sock')).toBeUndefined();
    expect(canonicalHost('[unix:/run/app.sock]')).toBeUndefined();
    expect(canonicalHost('/run/app.sock')).toBeUndefined();
    expect(canonicalHost('unix')).toBe('unix');
  });
});

test('a name is the name of itself, whatever text it came from', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'unix:',
      '::',
      ':',
      '.',
      '[',
      ']',
      '%',
      '0x',
      'xn--',
      'ffff',
      '127',
      '255',
      'ß',
      '\u0130',
      '\u3002',
      '-',
    ),
    fc.string({ unit: 'binary', maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const name = canonicalHost(pieces.join(''));
      if (name !== undefined) expect(canonicalHost(name)).toBe(name);
    }),
    { numRuns: 300 },
  );
});
