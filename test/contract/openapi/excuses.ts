/** Why it is that no test calls these operations. */
const reasons: Readonly<Record<string, readonly string[]>> = {
  'of application services': [
    'POST /_matrix/client/v1/appservice/{appserviceId}/ping', 'PUT /_matrix/client/v3/directory/list/appservice/{networkId}/{roomId}',
  ],
  'of networks that only application services bring: there are none, so there is nothing to be answered': [
    'GET /_matrix/client/v3/thirdparty/protocol/{protocol}', 'GET /_matrix/client/v3/thirdparty/location/{protocol}', 'GET /_matrix/client/v3/thirdparty/user/{protocol}',
    'GET /_matrix/client/v3/thirdparty/location', 'GET /_matrix/client/v3/thirdparty/user',
  ],
  'of e-mail addresses and phone numbers': [
    'GET /_matrix/client/v3/account/3pid', 'POST /_matrix/client/v3/account/3pid', 'POST /_matrix/client/v3/account/3pid/add', 'POST /_matrix/client/v3/account/3pid/bind',
    'POST /_matrix/client/v3/account/3pid/delete', 'POST /_matrix/client/v3/account/3pid/unbind', 'POST /_matrix/client/v3/account/3pid/email/requestToken',
    'POST /_matrix/client/v3/account/3pid/msisdn/requestToken', 'POST /_matrix/client/v3/account/password/email/requestToken',
    'POST /_matrix/client/v3/account/password/msisdn/requestToken', 'POST /_matrix/client/v3/register/email/requestToken',
    'POST /_matrix/client/v3/register/msisdn/requestToken',
  ],
  'of sign-in by others': ['GET /_matrix/client/v1/auth_metadata', 'GET /_matrix/client/v3/login/sso/redirect', 'GET /_matrix/client/v3/login/sso/redirect/{idpId}'],
  'of policy servers, which ours is none of': ['POST /_matrix/policy/v1/sign', 'GET /.well-known/matrix/policy_server'],
  'stands for all queries, each of which has an operation of its own': ['GET /_matrix/federation/v1/query/{queryType}'],
};

/** Reason by operation. Who builds one takes it out. */
export const excuses: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(reasons).flatMap(([reason, names]) => names.map((name) => [name, reason])));
