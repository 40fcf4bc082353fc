/** Certificates for `localhost` that an authority of the test has signed, by openssl. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** A server's key and certificate. */
export interface TestCertificate {
  /** The authority, in PEM. */
  readonly authority: string;
  /** File with the private key (PKCS #8) and the certificate, in PEM. */
  readonly keyStore: string;
}

/** Makes them in a folder. */
export async function makeCertificate(folder: string): Promise<TestCertificate> {
  const openssl = (...words: string[]) => promisify(execFile)("openssl", words, { cwd: folder });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await writeFile(join(folder, "san"), "subjectAltName=DNS:localhost\n");
  await openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca");
  await openssl(
    "req",
    ...key,
    "-keyout",
    "server.key",
    "-out",
    "server.csr",
    "-subj",
    "/CN=broker",
  );
  const sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san"];
  await openssl("x509", "-req", "-in", "server.csr", "-out", "server.crt", ...sign);
  const read = (name: string) => readFile(join(folder, name), "utf8");
  const keyStore = join(folder, "server.pem");
  await writeFile(keyStore, `${await read("server.key")}${await read("server.crt")}`);
  return { authority: await read("ca.crt"), keyStore };
}
