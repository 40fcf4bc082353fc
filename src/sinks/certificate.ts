import { X509Certificate } from "node:crypto";

/** Whether a text begins with a certificate in PEM. */
export function isCertificate(text: string): boolean {
  try {
    return Boolean(new X509Certificate(text));
  } catch {
    return false;
  }
}
