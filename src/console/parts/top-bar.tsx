/** What stands above every page. */
import { Link } from "wouter";
import { useSession } from "../api/session.tsx";
import { ActionButton } from "./form.tsx";

/** The bar with the way home and the person who is signed in. */
export function TopBar() {
  const { me, signOut } = useSession();
  return (
    <header className="top">
      <Link href="/" className="brand">
        Tributary
      </Link>
      {me && (
        <nav aria-label="Console" className="actions">
          <Link href="/">Projects</Link>
          <Link href="/docs">API</Link>
          {me.person?.operator && <Link href="/operator">Operator</Link>}
          <Link href="/account">{me.person?.displayName || me.person?.email}</Link>
          <ActionButton label="Sign out" className="small" call={signOut} />
        </nav>
      )}
    </header>
  );
}
