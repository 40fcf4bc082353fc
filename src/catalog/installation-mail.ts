/** The rpcs of InstallationService that deal with mail. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { MailSettingsSchema } from "#gen/tributary/management/v1/installation_pb.js";
import type { InstallationService } from "#gen/tributary/management/v1/installation_service_pb.js";

/** What is known of the installation's mail, and a try of it. */
export interface MailDesk {
  /** Without a mail server nothing is set. */
  settings(): Promise<MessageInitShape<typeof MailSettingsSchema>>;
  /** Sends at once and gives what went wrong, empty for nothing. Fails with MAIL_NOT_CONFIGURED. */
  test(to: string, signal: AbortSignal): Promise<string>;
}

/** The methods, to be spread into the service. */
export function createMailMethods(
  mail: MailDesk,
): Pick<ServiceImpl<typeof InstallationService>, "getMailSettings" | "sendTestMail"> {
  return {
    getMailSettings: async () => ({ mailSettings: await mail.settings() }),
    async sendTestMail({ to }, { signal }) {
      const startedAt = performance.now();
      const error = await mail.test(to, signal);
      const durationMs = BigInt(Math.round(performance.now() - startedAt));
      return { sent: error === "", error, durationMs };
    },
  };
}
