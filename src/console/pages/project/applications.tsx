/** Stub. */
export default function Applications(_props: { readonly project: string }) {
  return null;
}
