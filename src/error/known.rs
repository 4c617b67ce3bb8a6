//! The refusals that partners meet: what each means and what to do about it. Microsoft's pages say it in many
//! places, so each has its source.

use http::StatusCode;

use crate::error::{Error, ErrorKind};

#[derive(Clone, Copy)]
struct Known {
    code: u64,
    needs: Needs,
    meaning: &'static str,
    remedy: &'static str,
}

/// What a sign-in that is refused needs of a person.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Nothing,
    SignIn,
    Mfa,
}
use Needs::{Mfa, Nothing, SignIn};

const WITH_MFA: &str = "have the user sign in again, with multi-factor authentication";
const SIGN_IN: &str = "have the user sign in again, and keep the new refresh token";
const CONDITIONAL_ACCESS: &str =
    "have the user sign in again in a way that the policy allows, or have an administrator change the policy";

const fn known(code: u64, needs: Needs, meaning: &'static str, remedy: &'static str) -> Known {
    Known { code, needs, meaning, remedy }
}

// AADSTS codes. Source of all but those with one of their own: Microsoft's "Microsoft Entra authentication and
// authorization error codes" (learn.microsoft.com/entra/identity-platform/reference-error-codes); what partners
// do about them: microsoft/Partner-Center-PowerShell#259, #373, #413, CyberDrain/CIPP#404, #405.
#[rustfmt::skip] // A table.
static SIGN_INS: [Known; 31] = [
    known(50_034, Nothing, "the user is not in this tenant", "check the tenant and the account"),
    known(50_055, SignIn, "the password of the user has expired", "have the user set a new one and sign in again"),
    known(50_072, Mfa, "the user has to register for multi-factor authentication", WITH_MFA),
    known(50_074, Mfa, "multi-factor authentication is required", WITH_MFA),
    known(50_076, Mfa, "multi-factor authentication is required", WITH_MFA),
    known(50_078, Mfa, "the multi-factor authentication of the user has expired", WITH_MFA),
    known(50_079, Mfa, "the user has to register for multi-factor authentication", WITH_MFA),
    known(50_126, Nothing, "the user name or the password is wrong", "check both; an account with multi-factor authentication cannot sign in by password alone"),
    known(50_133, SignIn, "the session has ended because the password has expired or was changed", SIGN_IN),
    known(50_158, Mfa, "an external provider also has to authenticate the user", WITH_MFA),
    known(50_173, SignIn, "the refresh token was revoked, often by a new password", SIGN_IN),
    known(53_000, SignIn, "a conditional access policy requires a compliant device", CONDITIONAL_ACCESS),
    known(53_001, SignIn, "a conditional access policy requires a device that is joined to the domain", CONDITIONAL_ACCESS),
    known(53_003, SignIn, "a conditional access policy refuses the token", CONDITIONAL_ACCESS),
    // Not on that page; public troubleshooting tables, which name the policy or the device.
    known(530_003, SignIn, "a conditional access policy requires a managed device", CONDITIONAL_ACCESS),
    known(530_032, SignIn, "a security policy of the tenant refuses the token", CONDITIONAL_ACCESS),
    known(65_001, Nothing, "nobody has consented to this application", "have an administrator consent to its permissions for Partner Center, or the user at a sign-in"),
    known(70_000, Nothing, "the refresh token is malformed or was revoked", "check that it is whole; if it is, have the user sign in again"),
    known(70_008, SignIn, "the refresh token has expired", SIGN_IN),
    // Softeria/ms-365-mcp-server#490, too.
    known(70_043, SignIn, "the refresh token has expired under the sign-in frequency of a conditional access policy", SIGN_IN),
    // No public page was found: the text that the sign-in service sends with it, as remembered.
    known(700_003, Nothing, "the device of the user is not in the tenant", "have the user sign in from a registered device"),
    // Public reports of its text: the grant was issued for a different client ID.
    known(700_007, Nothing, "the refresh token was issued to another application", "use the client ID that it was issued to, or have the user sign in to this one"),
    known(700_016, Nothing, "the application is not in this tenant", "check the client ID and the tenant; an administrator may have to consent to the application there"),
    known(700_025, Nothing, "the application is a public client and sent a secret", "use AppUserCredential::public_client, or turn off public client flows of the application"),
    known(700_027, Nothing, "the signature of the client's certificate cannot be checked", "upload the certificate to the application, and check that it has not expired"),
    known(700_082, SignIn, "the refresh token has expired because it was not used", SIGN_IN),
    known(700_084, SignIn, "the refresh token was issued to a single-page application and has expired", SIGN_IN),
    known(7_000_215, Nothing, "the client secret is wrong", "send the value of the secret, not its ID; if you sent the value, create a new secret"),
    known(7_000_222, Nothing, "the client secret has expired", "create a new secret for the application"),
    known(90_002, Nothing, "the tenant does not exist", "check the ID or the domain of the tenant, and the cloud"),
    known(90_072, Nothing, "the account of the user belongs to another tenant", "sign in with an account of this tenant"),
];

/// Codes of the service, by their status: a number can stand under two of them.
#[rustfmt::skip] // A table.
static CALLS: [(StatusCode, Known); 7] = [
    // microsoft/Partner-Center-DotNet-Samples#59, microsoft/BCTech#34, microsoft/Partner-Center-PowerShell#260
    (StatusCode::UNAUTHORIZED, known(10_001, Mfa, "the user signed in without multi-factor authentication", WITH_MFA)),
    // microsoft/Partner-Center-DotNet-Samples#140; Microsoft's page on the deprecation of the Azure AD Graph token
    (StatusCode::UNAUTHORIZED, known(900_420, Nothing, "the token is for another audience", "request it for https://api.partnercenter.microsoft.com and no longer for https://graph.windows.net")),
    // Posts of the trade that quote Microsoft on mandatory multi-factor authentication for App+User calls, 2026
    (StatusCode::UNAUTHORIZED, known(900_421, Mfa, "the user signed in without multi-factor authentication", WITH_MFA)),
    // microsoft/Partner-Center-PowerShell#49
    (StatusCode::FORBIDDEN, known(1_002, Nothing, "the caller may not see this customer", "check the role of the user, and that the partner has a relationship with the customer")),
    // Microsoft's "Partner Center REST error codes", for the two below
    (StatusCode::FORBIDDEN, known(20_002, Nothing, "the partner has no commerce relationship with the customer", "check the customer ID, and have the customer accept the partner")),
    (StatusCode::FORBIDDEN, known(900_150, Nothing, "the role does not have the rights for this", "give the user the Admin agent or Sales agent role")),
    // Microsoft's "Partner Center REST error codes"
    (StatusCode::UNAUTHORIZED, known(800_001, Nothing, "the request has no token of the partner", "check that the token is for Partner Center and from the partner's tenant")),
];

impl Error {
    /// What is known of its codes: that of the service, or those of a refused sign-in, in their order.
    fn known(&self) -> impl Iterator<Item = &'static Known> {
        let code = self.code().filter(|_| self.kind() == ErrorKind::Service);
        let code = code.and_then(|code| code.trim().parse().ok());
        let is_of = |of: StatusCode| self.status().is_some_and(|status| status == of || status == StatusCode::OK);
        let of_call = CALLS.iter().find(|(status, known)| code == Some(known.code) && is_of(*status));
        let of_sign_in = |code: &u64| SIGN_INS.iter().find(|known| known.code == *code);
        of_call.map(|(_, known)| known).into_iter().chain(self.error_codes().iter().filter_map(of_sign_in))
    }

    /// A person has to sign in again: because [multi-factor authentication](Self::is_mfa_required) is missing,
    /// because a conditional access policy requires a sign-in (AADSTS 53000, 53001, 53003, 530003, 530032, OAuth's
    /// `interaction_required`), or because the refresh token is no longer valid (AADSTS 50055, 50133, 50173,
    /// 70008, 70043, 700082, 700084).
    ///
    /// Neither a retry nor a new access token helps. With the refresh token of the new sign-in, make a new
    /// [`AppUserCredential`](crate::AppUserCredential).
    #[must_use]
    pub fn requires_user_sign_in(&self) -> bool {
        let by_oauth = matches!(self.code(), Some("interaction_required" | "login_required"));
        by_oauth && self.kind() == ErrorKind::Credential || self.known().any(|known| known.needs != Nothing)
    }

    /// 401 with [code](Self::code) `900421`, or with the older `10001` (as code or in a line of plain text):
    /// the user of the token signed in without multi-factor authentication; or a sign-in that was refused because
    /// it was missing (AADSTS 50072, 50074, 50076, 50078, 50079, 50158). A new token from the same sign-in
    /// does not help: have the user sign in again with multi-factor authentication.
    #[must_use]
    pub fn is_mfa_required(&self) -> bool {
        self.known().any(|known| known.needs == Mfa)
    }

    /// What the error means, if its code is a known one: codes of a refused sign-in (AADSTS), and
    /// some of the service.
    pub fn meaning(&self) -> Option<&'static str> {
        self.known().next().map(|known| known.meaning)
    }

    /// What to do about the error, if its code is a known one. `Display` ends with the
    /// [meaning](Self::meaning) and the remedy.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use partner_center_devices::emulator::Emulator;
    /// use partner_center_devices::{AppOnlyCredential, PartnerCenter};
    ///
    /// let emulator = Emulator::start().await?;
    /// emulator.refuse_next_sign_ins(1, 7_000_222);
    /// let credential = AppOnlyCredential::new(
    ///     "contoso.onmicrosoft.com",
    ///     "an-application",
    ///     "a-secret",
    /// )?;
    /// let partner =
    ///     PartnerCenter::builder(credential).cloud(emulator.cloud()).build()?;
    /// let customer = partner.customers().by_id(emulator.example_customer());
    /// let error = customer.device_batches().get().await.unwrap_err();
    /// assert_eq!(error.meaning(), Some("the client secret has expired"));
    /// assert_eq!(error.remedy(), Some("create a new secret for the application"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn remedy(&self) -> Option<&'static str> {
        self.known().next().map(|known| known.remedy)
    }
}
