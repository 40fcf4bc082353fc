/** AccountService. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { AccountService } from "#gen/tributary/management/v1/account_service_pb.js";
import { acceptInvitation, lookupInvitation } from "./accept-invitation.ts";
import {
  changePassword,
  deleteMe,
  deleteMySession,
  getMe,
  listMySessions,
  updateMe,
} from "./account.ts";
import { listEverybody, setDisabled, setOperator } from "./everybody.ts";
import { createInvitation, listProjectInvitations, removeInvitation } from "./invitations.ts";
import { requestPasswordReset, resetPassword } from "./password-reset.ts";
import type { People } from "./people.ts";
import { signIn, signOut, signOutEverywhere } from "./sign-in.ts";
import { signUp, signUpOptions } from "./sign-up.ts";

/** The rpcs of AccountService. */
export function createAccountService(people: People): ServiceImpl<typeof AccountService> {
  return {
    getSignUpOptions: () => signUpOptions(people),
    signUp: (request, context) => signUp(people, request, context),
    signIn: (request, context) => signIn(people, request, context),
    requestPasswordReset: (request, context) => requestPasswordReset(people, request, context),
    resetPassword: (request, context) => resetPassword(people, request, context),
    signOut: (_request, context) => signOut(people, context),
    signOutEverywhere: (_request, context) => signOutEverywhere(people, context),
    getMe: (_request, context) => getMe(people, context),
    updateMe: (request, context) => updateMe(people, request, context),
    changePassword: (request, context) => changePassword(people, request, context),
    deleteMe: (request, context) => deleteMe(people, request, context),
    listSessions: (_request, context) => listMySessions(people, context),
    deleteSession: (request, context) => deleteMySession(people, request, context),
    createInvitation: (request, context) => createInvitation(people, request, context),
    listInvitations: (request) => listProjectInvitations(people, request),
    async deleteInvitation(request) {
      await removeInvitation(people, request);
      return {};
    },
    listPeople: (request) => listEverybody(people, request),
    disablePerson: (request) => setDisabled(people, request.name, true),
    enablePerson: (request) => setDisabled(people, request.name, false),
    makeOperator: (request) => setOperator(people, request.name, true),
    removeOperator: (request) => setOperator(people, request.name, false),
    lookupInvitation: (request) => lookupInvitation(people, request),
    acceptInvitation: (request, context) => acceptInvitation(people, request, context),
  };
}
