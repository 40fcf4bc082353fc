/** Stub. */
export default function Audit(_props: { readonly project: string }) {
  return null;
}
