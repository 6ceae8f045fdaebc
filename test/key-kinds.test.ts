// Files of keys of other kinds. One file, because all tests use one folder of files, which other programs make first.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { SecureSocketError } from '../src/errors.js';
import { Identity } from '../src/identity/identity.node.js';
import { havePrograms, requireBuild, script } from './cli/command.js';

/** Commands of the system, whose keys these are. */
const hasAll = havePrograms('openssl', 'ssh-keygen', 'script', 'setsid');
const hasPutty = hasAll && havePrograms('puttygen');

let keys: string;
let folder: string;

/** Runs a line of a shell among the keys; what it asks for is in its environment. */
function sh(line: string, cwd: string): void {
  execFileSync('bash', ['-c', `set -e; ${line}`], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
}

const legacy = '-provider legacy -provider default';

/** A program that writes JSON Web Keys of all kinds. */
const webKeys = `
  const write = (name, value) => fs.writeFileSync(name, JSON.stringify(value, null, 1));
  const jwkOf = (key) => key.export({ format: 'jwk' });
  const rsa = jwkOf(crypto.createPrivateKey(fs.readFileSync('rsa.pem')));
  const ec = jwkOf(crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const { d, p, q, dp, dq, qi, ...open } = rsa;
  write('set.json', { keys: [ec, rsa] }); write('array.json', [rsa]); write('open.json', open);
  write('without-primes.json', { ...open, d }); write('ec.json', ec); write('empty.json', { keys: [] });
  write('ed.json', jwkOf(crypto.generateKeyPairSync('ed25519').privateKey));`;

beforeAll(() => {
  if (!hasAll) return;
  keys = mkdtempSync(join(tmpdir(), 'key-kinds-'));
  sh(
    `umask 077
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem 2>/dev/null || openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem
    openssl rsa -in rsa.pem -traditional -out pkcs1.pem
    openssl rsa -in rsa.pem -traditional -aes128 -passout pass:secret -out old-aes.pem
    openssl rsa -in rsa.pem -traditional -des3 -passout pass:secret -out old-3des.pem
    openssl rsa -in rsa.pem -traditional -des -passout pass:secret ${legacy} -out old-des.pem
    for scheme in PBE-MD5-DES PBE-SHA1-DES PBE-SHA1-RC2-40 PBE-SHA1-RC4-128 PBE-SHA1-3DES; do
      openssl pkcs8 -topk8 ${legacy} -v1 $scheme -in rsa.pem -passout pass:secret -out $scheme.pem
    done
    openssl pkcs8 -topk8 ${legacy} -v2 des -in rsa.pem -passout pass:secret -out pbes2-des.pem
    openssl pkcs8 -topk8 -scrypt -in rsa.pem -passout pass:secret -out scrypt.pem
    openssl req -x509 -key rsa.pem -subj /CN=x -days 9 -out certificate.pem
    openssl req -new -key rsa.pem -subj /CN=x -out request.pem
    openssl pkey -in rsa.pem -pubout -out public.pem
    openssl rsa -in rsa.pem -RSAPublicKey_out -out public1.pem
    cat rsa.pem certificate.pem > both.pem
    cat certificate.pem rsa.pem > both-other.pem
    cat certificate.pem certificate.pem > chain.pem
    cat rsa.pem pkcs1.pem > twice.pem
    openssl pkcs12 -export -in both.pem -passout pass:secret -out store.p12
    openssl pkey -in rsa.pem -outform DER -out pkcs8.der
    openssl rsa -in rsa.pem -traditional -outform DER -out pkcs1.der
    openssl x509 -in certificate.pem -outform DER -out certificate.der
    openssl pkey -in rsa.pem -pubout -outform DER -out public.der
    base64 -w 0 pkcs8.der > bare.txt
    openssl pkcs8 -topk8 ${legacy} -v1 PBE-MD5-DES -in rsa.pem -passout pass:secret -outform DER -out old.der
    openssl pkcs8 -topk8 -in rsa.pem -passout pass:secret -outform DER -out new.der
    base64 old.der > old.txt; base64 new.der > new.txt
    sed 's/$/  /' PBE-MD5-DES.pem > old-blanks.pem
    cat PBE-MD5-DES.pem certificate.pem > old-both.pem
    openssl pkcs8 -topk8 -in rsa.pem -passout pass:secret | cat - certificate.pem > new-both.pem
    (echo -----BEGIN PRIVATE KEY-----; base64 -w 76 pkcs8.der; echo -----END PRIVATE KEY-----) > wide.pem
    (echo -----BEGIN PRIVATE KEY-----; base64 -w 0 pkcs8.der; echo; echo -----END PRIVATE KEY-----) > one-line.pem
    sed 's/$/  /' rsa.pem > blanks.pem
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem
    openssl ecparam -name prime256v1 -genkey -out ec-sec1.pem
    openssl pkey -in ec.pem -aes256 -passout pass:secret -out ec-encrypted.pem
    openssl pkey -in ec.pem -outform DER -out ec.der
    for algorithm in ED25519 ED448 X25519 X448; do openssl genpkey -algorithm $algorithm -out $algorithm.pem; done
    openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out pss.pem
    openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha256 -pkeyopt rsa_pss_keygen_mgf1_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:32 -out pss-bound.pem
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -pkeyopt rsa_keygen_primes:3 -out primes.pem
    cp rsa.pem openssh.pem; ssh-keygen -q -p -N '' -f openssh.pem
    cp rsa.pem openssh-locked.pem; ssh-keygen -q -p -N secret -f openssh-locked.pem
    ssh-keygen -q -t ed25519 -N '' -C '' -f openssh-ed.pem
    ssh-keygen -q -t ecdsa -N '' -C '' -f openssh-ec.pem
    ssh-keygen -y -f openssh.pem > openssh.pub
    ssh-keygen -e -m RFC4716 -f openssh.pem > rfc4716.pub
    node -e "process.stdout.write(JSON.stringify(crypto.createPrivateKey(fs.readFileSync('rsa.pem')).export({format:'jwk'})))" > jwk.json
    : > empty.pem; printf ' \\n\\n' > blank.pem
    openssl pkcs12 -export -legacy -in both.pem -passout pass:secret -out legacy.p12
    base64 store.p12 > p12.txt; base64 legacy.p12 > legacy.txt
    (echo -----BEGIN PKCS12-----; base64 -w 64 store.p12; echo -----END PKCS12-----) > p12.pem
    openssl rsa -in rsa.pem -outform MSBLOB -out rsa.blob
    openssl rsa -in rsa.pem -pubout -outform MSBLOB -out public.blob
    openssl rsa -in rsa.pem -outform PVK -pvk-none ${legacy} -out rsa.pvk
    openssl rsa -in rsa.pem -outform PVK -pvk-strong ${legacy} -passout pass:secret -out locked.pvk
    for cipher in bf-cbc cast5-cbc; do
      openssl pkcs8 -topk8 ${legacy} -v2 $cipher -in rsa.pem -passout pass:secret -out pbes2-$cipher.pem
    done
    openssl req -x509 -key ec.pem -subj /CN=x -days 9 | cat - ec.pem > ec-both.pem
    openssl ecparam -name prime256v1 | cat ec.pem - > ec-parameters.pem
    openssl req -in request.pem -outform DER -out request.der
    openssl crl2pkcs7 -nocrl -certfile certificate.pem -outform DER -out pkcs7.der
    (openssl pkey -in rsa.pem -pubout -outform DER | base64 -w 0; echo ' a name') > line.txt
    head -c 600 rsa.pem > cut.pem
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.pem
    printf -- '-----BEGIN PGP PRIVATE KEY BLOCK-----\\n\\nlQOYBF\\n=abcd\\n-----END PGP PRIVATE KEY BLOCK-----\\n' > pgp.asc
    echo '<RSAKeyValue></RSAKeyValue>' > key.xml; echo '{"a":1}' > other.json; echo '{"kty":' > half.json
    printf '\\376\\355\\376\\355\\0\\0\\0\\2' > store.jks; head -c 32 rsa.pvk | base64 > short.txt
    node -e "${webKeys}"`,
    keys,
  );
  if (hasPutty)
    sh(
      `echo secret > passphrase-of-putty
      puttygen openssh.pem -O private -o putty.ppk
      puttygen openssh.pem -O private --ppk-param version=2 -o putty2.ppk
      puttygen openssh.pem -O private --new-passphrase passphrase-of-putty -o putty-locked.ppk
      puttygen openssh-ed.pem -O private -o putty-ed.ppk
      puttygen openssh.pem -O private-sshcom -o sshcom.key
      puttygen openssh.pem -O private-sshcom --new-passphrase passphrase-of-putty -o sshcom-locked.key`,
      keys,
    );
}, 60_000);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'key-kinds-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
  folder = mkdtempSync(join(tmpdir(), 'key-kinds-'));
});

afterAll(() => rmSync(keys, { recursive: true, force: true }));

async function problem(
  file: string,
  passphrase?: string,
  role: 'server' | 'client' = 'server',
): Promise<SecureSocketError> {
  cpSync(join(keys, file), join(folder, file));
  const error = await Identity.load(join(folder, file), { role, passphrase }).catch(
    (reason: unknown) => reason,
  );
  if (!(error instanceof SecureSocketError)) throw error;
  expect(error.code).toBe('BAD_IDENTITY');
  expect(error.message.startsWith(`${join(folder, file)}: `)).toBe(true);
  return error;
}

/** The error for a file says what it is, and by its command a key file is made of it. */
async function expectConversion(file: string, kind: string): Promise<void> {
  const error = await problem(file);
  expect(error.message).toContain(kind);
  expect((await convert(error)).fingerprint).toBe(await fingerprint());
}

/** The command in an error text, as a person copies it. Passphrases are asked for on a terminal, which is `script`. */
async function convert(
  error: SecureSocketError,
  ask: 'nothing' | 'passphrases' = 'nothing',
): Promise<Identity> {
  const command =
    /(?:with|anew:|alone:) {2}((?:openssl|cp|base64|sed|puttygen|ssh-keygen|node) .*)$/s.exec(
      error.message,
    )?.[1] ?? '';
  expect(command).not.toBe('');
  const before = new Set(readdirSync(folder));
  if (ask === 'nothing') sh(command, folder);
  else
    execFileSync('script', ['--quiet', '--return', '--command', `bash -c ${quote(command)}`, '/dev/null'], {
      cwd: folder,
      input: 'secret\nsecret\nsecret\n',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  const made = readdirSync(folder).filter((name) => !before.has(name));
  expect(made).toContain('new.pem');
  const passphrase = readFileSync(join(folder, 'new.pem'), 'utf8').includes('ENCRYPTED')
    ? 'secret'
    : undefined;
  return Identity.load(join(folder, 'new.pem'), { role: 'server', passphrase });
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function fingerprint(): Promise<string> {
  return (await Identity.load(join(keys, 'rsa.pem'), { role: 'server' })).fingerprint;
}

describe.skipIf(!hasAll)('a file is named, and converted by the command in the text:', () => {
  test.each([
    ['both.pem', 'it holds a PRIVATE KEY and a CERTIFICATE'],
    ['both-other.pem', 'it holds a CERTIFICATE and a PRIVATE KEY'],
    ['twice.pem', 'it holds a PRIVATE KEY and an RSA PRIVATE KEY'],
    ['pkcs8.der', 'it is DER'],
    ['pkcs1.der', 'it is DER'],
    ['bare.txt', 'it is base64 without the lines'],
    ['wide.pem', 'line 2 does not have 64 characters'],
    ['one-line.pem', 'line 2 does not have 64 characters'],
    ['blanks.pem', 'line 1 is not a valid BEGIN line'],
    ['openssh.pem', 'it is an OpenSSH private key'],
    ['jwk.json', 'it is JSON'],
    ['set.json', 'it is JSON with a private key'],
    ['array.json', 'it is JSON with a private key'],
    ['rsa.blob', 'it is a key blob of Microsoft'],
    ['rsa.pvk', 'it is a PVK file'],
  ])('%s', expectConversion);

  test.each([
    ['old-aes.pem', 'PKCS#1 encrypted the old way (Proc-Type, DEK-Info AES-128-CBC)'],
    ['old-3des.pem', 'PKCS#1 encrypted the old way (Proc-Type, DEK-Info DES-EDE3-CBC)'],
    ['old-des.pem', 'PKCS#1 encrypted the old way (Proc-Type, DEK-Info DES-CBC)'],
    ['PBE-MD5-DES.pem', 'PBES1 (MD5 and DES)'],
    ['PBE-SHA1-DES.pem', 'PBES1 (SHA-1 and DES)'],
    ['PBE-SHA1-RC2-40.pem', 'PBES1 of PKCS#12 (SHA-1 and RC2)'],
    ['PBE-SHA1-RC4-128.pem', 'PBES1 of PKCS#12 (SHA-1 and RC4)'],
    ['pbes2-des.pem', 'PBES2 and DES'],
    ['pbes2-bf-cbc.pem', 'PBES2 and Blowfish'],
    ['pbes2-cast5-cbc.pem', 'PBES2 and CAST5'],
    ['store.p12', 'a PKCS#12 store'],
    ['legacy.p12', 'a PKCS#12 store'],
    ['p12.txt', 'a PKCS#12 store'],
    ['legacy.txt', 'a PKCS#12 store'],
    ['p12.pem', 'a PKCS#12 store'],
    ['locked.pvk', 'it is a PVK file'],
    ['old.der', 'it is DER'],
    ['new.der', 'it is DER'],
    ['old.txt', 'it is base64 without the lines'],
    ['new.txt', 'it is base64 without the lines'],
    ['old-blanks.pem', 'line 1 is not a valid BEGIN line'],
    ['old-both.pem', 'it holds an ENCRYPTED PRIVATE KEY and a CERTIFICATE'],
    ['new-both.pem', 'it holds an ENCRYPTED PRIVATE KEY and a CERTIFICATE'],
  ])('%s, which is encrypted', async (file, kind) => {
    const isPem = file.startsWith('PBE') || file.startsWith('pbes2');
    const error = await problem(file);
    expect(error.message).toContain(kind);
    if (isPem) expect((await problem(file, 'secret')).message).toBe(error.message);
    expect((await convert(error, 'passphrases')).fingerprint).toBe(await fingerprint());
  });

  test.each([['pss.pem'], ['pss-bound.pem']])('%s, for a client', async (file) => {
    const error = await problem(file, undefined, 'client');
    expect(error.message).toContain('for RSA-PSS, which is bound to signing');
    await convert(error);
  });

  test.skipIf(!hasPutty).each([
    ['putty.ppk', 'it is a PuTTY key'],
    ['putty2.ppk', 'it is a PuTTY key'],
    ['sshcom.key', 'it is a private key of SSH.com'],
  ])('%s', expectConversion);

  // puttygen asks on the terminal, and ssh-keygen by the program that SSH_ASKPASS names
  const locked = [
    ['openssh-locked.pem', 'an OpenSSH private key', 'nothing'],
    ...(hasPutty ? (['putty-locked.ppk', 'sshcom-locked.key'] as const) : []).map(
      (file) => [file, /putty/.test(file) ? 'a PuTTY key' : 'of SSH.com', 'passphrases'] as const,
    ),
  ] as const;
  test.each(locked)('%s, which is encrypted', async (file, kind, ask) => {
    const error = await problem(file);
    expect(error.message).toContain(kind);
    writeFileSync(join(keys, 'ask'), '#!/bin/sh\necho secret\n', { mode: 0o700 });
    vi.stubEnv('SSH_ASKPASS', join(keys, 'ask')).stubEnv('SSH_ASKPASS_REQUIRE', 'force');
    expect((await convert(error, ask)).fingerprint).toBe(await fingerprint());
    vi.unstubAllEnvs();
  });

  test('a path with blanks and quotation marks stays one word', async () => {
    cpSync(join(keys, 'both.pem'), join(keys, "Ann's keys.pem"));
    expect((await convert(await problem("Ann's keys.pem"))).fingerprint).toBe(await fingerprint());
  });
});

describe.skipIf(!hasAll)('a file that no command converts is named:', () => {
  test.each([
    ['ec.pem', undefined, 'for EC'],
    ['ec-sec1.pem', undefined, 'for EC'],
    ['ec.der', undefined, 'for EC'],
    ['ec-encrypted.pem', 'secret', 'for EC'],
    ['ED25519.pem', undefined, 'for Ed25519'],
    ['ED448.pem', undefined, 'for Ed448'],
    ['X25519.pem', undefined, 'for X25519'],
    ['X448.pem', undefined, 'for X448'],
    ['openssh-ed.pem', undefined, 'OpenSSH private key of type ssh-ed25519'],
    ['openssh-ec.pem', undefined, 'OpenSSH private key of type ecdsa-sha2-nistp256'],
    ['ec-both.pem', undefined, 'for EC'],
    ['ec-parameters.pem', undefined, 'for EC'],
    ['ec.json', undefined, 'for EC'],
    ['ed.json', undefined, 'for Ed25519'],
    ['pgp.asc', undefined, 'it is a PGP private key'],
  ])('%s', async (file, passphrase, kind) => {
    const { message } = await problem(file, passphrase);
    expect(message).toContain(kind);
    const command = /or {2}(openssl genpkey .*)$/.exec(message)?.[1] ?? '';
    sh(command, folder);
    expect((await Identity.load(join(folder, 'new.pem'), { role: 'server' })).role).toBe('server');
  });

  test.skipIf(!hasPutty)('putty-ed.ppk', async () => {
    expect((await problem('putty-ed.ppk')).message).toMatch(/PuTTY key of type ssh-ed25519: no RSA key/);
  });

  test.each([
    ['certificate.pem', 'it holds a CERTIFICATE: the file with the private key is needed'],
    ['request.pem', 'it holds a CERTIFICATE REQUEST: the file with the private key is needed'],
    ['chain.pem', 'it holds 2 of CERTIFICATE'],
    ['public.pem', 'it holds a PUBLIC KEY: the file with the private key is needed'],
    ['public1.pem', 'it holds an RSA PUBLIC KEY: the file with the private key is needed'],
    ['public.der', 'it is a public key: the file with the private key is needed'],
    ['certificate.der', 'it is a certificate: the file with the private key is needed'],
    ['openssh.pub', 'it is an SSH public key: the file with the private key is needed'],
    ['rfc4716.pub', 'it is an SSH public key: the file with the private key is needed'],
    ['primes.pem', 'it is a private key for RSA with more than two primes'],
    ['empty.pem', 'malformed PEM: it is empty'],
    ['blank.pem', 'malformed PEM: it is empty'],
    ['public.blob', 'it is a public key: the file with the private key is needed'],
    ['line.txt', 'it is a public key: the file with the private key is needed'],
    ['open.json', 'it is JSON with a public key: the file with the private key is needed'],
    ['without-primes.json', 'it is JSON with a key without its primes: export it with p, q, dp, dq and qi'],
    ['other.json', 'it is JSON, but no JSON Web Key: a private RSA key in PEM is needed'],
    ['empty.json', 'it is JSON, but no JSON Web Key: a private RSA key in PEM is needed'],
    ['half.json', 'it is malformed JSON: a private RSA key in PEM is needed'],
    ['key.xml', 'it is XML: a private RSA key in PEM is needed'],
    ['short.txt', 'there is no BEGIN line: a private RSA key in PEM is needed'],
    ['request.der', 'it is a request for a certificate: the file with the private key is needed'],
    ['pkcs7.der', 'it is PKCS#7, which holds certificates: the file with the private key is needed'],
    ['cut.pem', 'there is no END line for PRIVATE KEY: it is cut short'],
    ['short.pem', 'modulus of 1024 bits; expected 2048 to 4096'],
    ['store.jks', 'it is a key store of Java (JKS): convert it with  keytool -importkeystore'],
  ])('%s', async (file, text) => {
    expect((await problem(file)).message).toContain(text);
  });
});

/** The message of a command for a passphrase. */
const messages: readonly (readonly [file: string, text: string])[] = [
  ['old-3des.pem', 'PKCS#1 encrypted the old way'],
  ['PBE-MD5-DES.pem', 'PBES1 (MD5 and DES)'],
  ['PBE-SHA1-RC2-40.pem', 'PBES1 of PKCS#12 (SHA-1 and RC2)'],
  ['pbes2-des.pem', 'PBES2 and DES'],
  ['old-both.pem', 'it holds an ENCRYPTED PRIVATE KEY and a CERTIFICATE'],
  ['old-blanks.pem', 'line 1 is not a valid BEGIN line'],
  ['old.der', 'it is DER'],
  ['old.txt', 'it is base64'],
  ['store.p12', 'a PKCS#12 store'],
  ['openssh-locked.pem', 'an OpenSSH private key'],
  ['both.pem', 'it holds a PRIVATE KEY and a CERTIFICATE'],
  ['bare.txt', 'it is base64'],
  ['ec-sec1.pem', 'for EC'],
  ['ED25519.pem', 'for Ed25519'],
  ['pss.pem', 'for RSA-PSS'],
  ['certificate.pem', 'it holds a CERTIFICATE'],
  ['openssh.pub', 'an SSH public key'],
  ['jwk.json', 'it is JSON'],
  ['empty.pem', 'it is empty'],
];

describe.skipIf(!hasAll)('the command names a file', () => {
  beforeAll(requireBuild);

  /** What it says of a key file, with its exit code. */
  const say = async (place: 'alone' | 'on a terminal', ...args: string[]): Promise<string> => {
    const words = [process.execPath, script, ...args];
    const [program = '', ...rest] =
      place === 'alone'
        ? ['setsid', '--wait', ...words]
        : ['script', '--quiet', '--return', '--command', words.map(quote).join(' '), '/dev/null'];
    // no one types anything: a question would wait for ever
    const { stdout, stderr, status } = spawnSync(program, rest, {
      cwd: keys,
      input: '',
      encoding: 'utf8',
      timeout: 60_000,
    });
    return `${status} ${stdout}${stderr}`;
  };

  test.each(messages)(
    'without a terminal: %s',
    async (file, text) => {
      const isPublic = file.startsWith('certificate');
      const output = await say('alone', 'listen', '--identity', file, '127.0.0.1:0');
      expect(output).toContain(text);
      expect(output).toMatch(/^2 secure-sockets: /);
      expect(output).not.toContain('passphrase is needed');
      if (!isPublic) expect(await say('alone', 'fingerprint', file)).toContain(text);
    },
    60_000,
  );

  test.each(messages.filter(([file]) => /^(old|PBE|pbes2|store|openssh-locked)/.test(file)))(
    'on a terminal, and asks for nothing: %s',
    async (file, text) => {
      const output = await say('on a terminal', 'listen', '--identity', file, '127.0.0.1:0');
      expect(output.replaceAll(/\s+/g, ' ')).toContain(text);
      expect(output).not.toContain('Passphrase of');
    },
    60_000,
  );

  test('that it could read with a passphrase, and says how to give it', async () => {
    for (const file of ['PBE-SHA1-3DES.pem', 'scrypt.pem'])
      expect(await say('alone', 'fingerprint', file)).toMatch(/passphrase is needed[\s\S]*--passphrase-file/);
    writeFileSync(join(keys, 'passphrase'), 'secret\n', { mode: 0o600 });
    const right = await say('alone', 'fingerprint', '--passphrase-file', 'passphrase', 'scrypt.pem');
    expect(right).toContain(await fingerprint());
  }, 60_000);
});

describe.skipIf(!hasAll)('a file of another program is read:', () => {
  test.each([
    ['rsa.pem', undefined],
    ['pkcs1.pem', undefined],
    ['PBE-SHA1-3DES.pem', 'secret'],
    ['scrypt.pem', 'secret'],
  ])('%s', async (file, passphrase) => {
    const identity = await Identity.load(join(keys, file), { role: 'server', passphrase });
    expect(identity.fingerprint).toBe(await fingerprint());
  });

  test('what openssl pkcs12 writes, with its attributes before the key', async () => {
    sh('openssl pkcs12 -in store.p12 -nocerts -nodes -passin pass:secret -out bag.pem', keys);
    writeFileSync(join(folder, 'bag.pem'), readFileSync(join(keys, 'bag.pem')), { mode: 0o600 });
    const identity = await Identity.load(join(folder, 'bag.pem'), { role: 'server' });
    expect(identity.fingerprint).toBe(await fingerprint());
  });
});
