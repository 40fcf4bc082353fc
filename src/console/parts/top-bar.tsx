/** What stands above every page. */
import { Link, useLocation } from "wouter";
import { useSession } from "../api/session.tsx";
import { AccountMenu } from "./account-menu.tsx";

/** The bar with the way home and the person who is signed in. */
export function TopBar() {
  const { me, signOut } = useSession();
  const [location] = useLocation();
  const isProjects = location === "/" || location.startsWith("/projects");
  const who = me?.person?.displayName || me?.person?.email || "Account";
  const links = [
    ["Projects", "/", isProjects],
    ["API", "/docs", location.startsWith("/docs")],
    ...(me?.person?.operator ? [["Operator", "/operator", location.startsWith("/operator")]] : []),
  ] as [string, string, boolean][];
  return (
    <header className="top">
      <Link href="/" className="brand">
        <Mark />
        Tributary
      </Link>
      {me && (
        <nav aria-label="Console" className="actions">
          {links.map(([text, href, isHere]) => (
            <Link key={href} href={href} aria-current={isHere ? "page" : undefined}>
              {text}
            </Link>
          ))}
          <AccountMenu who={who} signOut={signOut} />
        </nav>
      )}
    </header>
  );
}

/** Two brooks that become one river. */
function Mark() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="2.5" aria-hidden="true">
      <path d="M5 2c0 7 7 6 7 13v7M19 2c0 5-4 6-5.6 8.5" strokeLinecap="round" />
    </svg>
  );
}
