/** AWS Key Management Service. */
import type { KeyManagement } from "../core/key-management.ts";

/** Which key, and who asks. */
export interface AwsKmsOptions {
  /** ARN of a symmetric key or alias: `arn:aws:kms:<region>:<account>:key/<id>`. */
  readonly keyArn: string;
  /** Address of the service where it is not AWS' own. */
  readonly endpoint?: string | undefined;
  /** Left out: what the AWS SDK finds, such as the role of the machine or container. */
  readonly identity?:
    | { readonly accessKeyId: string; readonly secretAccessKey: string }
    | undefined;
}

const CALL_MS = 10_000;
/** Authenticated with every key: what was wrapped for something else does not open. */
const EncryptionContext = { purpose: "tributary-master-key" };

/** The client is loaded with the first call. */
export function openAwsKms({ keyArn: KeyId, endpoint, identity }: AwsKmsOptions): KeyManagement {
  const open = async () => {
    const { KMSClient, EncryptCommand, DecryptCommand } = await import("@aws-sdk/client-kms");
    const client = new KMSClient({
      region: KeyId.split(":")[3] ?? "",
      ...(endpoint !== undefined && { endpoint }),
      ...(identity && { credentials: identity }),
    });
    return { client, EncryptCommand, DecryptCommand };
  };
  let opened: ReturnType<typeof open> | undefined;
  const use = () => {
    opened ??= open();
    return opened;
  };
  return {
    name: KeyId,
    async wrap(Plaintext) {
      const { client, EncryptCommand } = await use();
      const { CiphertextBlob } = await client.send(
        new EncryptCommand({ KeyId, Plaintext, EncryptionContext }),
        { abortSignal: AbortSignal.timeout(CALL_MS) },
      );
      if (!CiphertextBlob) throw new Error("the answer holds no ciphertext");
      return CiphertextBlob;
    },
    async unwrap(CiphertextBlob) {
      const { client, DecryptCommand } = await use();
      const { Plaintext } = await client.send(
        new DecryptCommand({ KeyId, CiphertextBlob, EncryptionContext }),
        { abortSignal: AbortSignal.timeout(CALL_MS) },
      );
      if (!Plaintext) throw new Error("the answer holds no plaintext");
      return Plaintext;
    },
  };
}
