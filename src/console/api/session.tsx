/** Who is signed in, for every page. */
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { useQueryClient } from "@tanstack/react-query";
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
} from "react";
import {
  AccountService,
  type GetMeResponse,
} from "#gen/tributary/management/v1/account_service_pb.js";
import { onSignedOut } from "./queries.ts";
import { isUnreachable, keepCsrfToken, transport } from "./transport.ts";

/** Calls of accounts. */
export const accounts = createClient(AccountService, transport);

/** Who is signed in: undefined while it is not known, null for nobody. */
export interface Session {
  readonly me: GetMeResponse | null | undefined;
  /** Asks the server again, after a sign-in or a change of memberships. */
  refresh(): Promise<void>;
  signOut(): Promise<void>;
}

const SessionContext = createContext<Session | undefined>(undefined);

/** Gives the session to what is below. */
export function SessionProvider({ children }: { readonly children: ReactNode }) {
  const [me, setMe] = useState<GetMeResponse | null>();
  const queries = useQueryClient();
  const refresh = useCallback(async () => setMe(await readMe()), []);
  useEffect(() => {
    void refresh();
    return onSignedOut(() => void refresh());
  }, [refresh]);
  const session = useMemo<Session>(
    () => ({
      me,
      refresh,
      async signOut() {
        await accounts.signOut({});
        keepCsrfToken("");
        queries.clear();
        setMe(null);
      },
    }),
    [me, refresh, queries],
  );
  return <SessionContext value={session}>{children}</SessionContext>;
}

/** The session of the page. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("useSession outside SessionProvider");
  return session;
}

/** Asks until somebody answers: a server that restarts is no sign-out. */
async function readMe(): Promise<GetMeResponse | null> {
  for (;;) {
    try {
      const me = await accounts.getMe({});
      keepCsrfToken(me.csrfToken);
      return me;
    } catch (error) {
      if (!isUnreachable(error) && ConnectError.from(error).code !== Code.ResourceExhausted)
        return null;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}
