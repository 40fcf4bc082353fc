/** Who may sign up once the installation has its first person: the setting `sign_up`. */
import { eq } from "drizzle-orm";
import type { Queries } from "./client.ts";
import { settings } from "./schema.ts";

const NAME = "sign_up";
const MODES = ["OPEN", "BY_INVITATION", "CLOSED"] as const;

/** Everybody, who was invited to a project, or nobody. */
export type SignUpMode = (typeof MODES)[number];

/** The setting; BY_INVITATION until somebody sets it. */
export async function readSignUpMode(queries: Queries): Promise<SignUpMode> {
  const [row] = await queries.select().from(settings).where(eq(settings.name, NAME));
  return MODES.find((mode) => mode === row?.value) ?? "BY_INVITATION";
}
