/** Stub. */
export default function Tokens(_props: { readonly project: string }) {
  return null;
}
