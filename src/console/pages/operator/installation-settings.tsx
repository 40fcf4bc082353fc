/** Who may sign up, what projects may use by default, and what records cost. */
import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import {
  type Installation,
  InstallationSchema,
  Installation_SignUp as SignUp,
} from "#gen/tributary/management/v1/installation_pb.js";
import { InstallationService } from "#gen/tributary/management/v1/installation_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { SelectField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { typedJson } from "../../parts/message-json.ts";
import { Loaded } from "../../parts/note.tsx";
import { installations } from "./installations.ts";

const SIGN_UPS = [
  [SignUp.OPEN, "Everybody"],
  [SignUp.BY_INVITATION, "Those who are invited to a project"],
  [SignUp.CLOSED, "Nobody"],
] as const;

/** The part "Settings". */
export function InstallationSettings() {
  const query = useQuery(InstallationService.method.getInstallation, {});
  return (
    <Loaded query={query}>
      {({ installation }) =>
        installation && <SettingsForm key={formOf(installation)} installation={installation} />
      }
    </Loaded>
  );
}

function SettingsForm({ installation }: { readonly installation: Installation }) {
  const queries = useQueryClient();
  const [signUp, setSignUp] = useState(installation.signUp);
  const [input, setInput] = useState(() => toJson(InstallationSchema, installation) as JsonObject);
  const [isSaved, setSaved] = useState(false);
  const submit = useSubmit(async () => {
    const changed = fromJson(InstallationSchema, typedJson(InstallationSchema, input));
    await installations.updateInstallation({
      installation: { ...changed, signUp },
      updateMask: { paths: ["sign_up", "default_quotas", "prices"] },
    });
    setSaved(true);
    await queries.invalidateQueries();
  });
  return (
    <section className="card stack" aria-labelledby="installation-title">
      <h2 id="installation-title">The installation</h2>
      <Form submit={submit} label="Save">
        <SelectField
          label="Who may sign up"
          value={signUp}
          choices={SIGN_UPS}
          onChange={setSignUp}
          fault={faultAt(submit.faults, "installation.sign_up")}
        />
        <MessageForm
          desc={InstallationSchema}
          only={["default_quotas", "prices"]}
          value={input}
          onChange={setInput}
          path="installation"
          faults={submit.faults}
        />
      </Form>
      <p role="status">{isSaved && "Saved."}</p>
    </section>
  );
}

/** The form begins anew when somebody else has changed what it shows; who may sign up is told at once. */
function formOf({ signUp }: Installation): string {
  return String(signUp);
}
