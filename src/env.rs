//! A client from environment variables.

use std::env;

use crate::builder::Builder;
use crate::client::PartnerCenter;
use crate::cloud::Cloud;
use crate::credential::{AccessToken, AppOnlyCredential, AppUserCredential, Credential};
use crate::error::Error;

impl PartnerCenter {
    /// A client from environment variables: [`Builder::from_env`] with the default settings.
    ///
    /// ```no_run
    /// use partner_center_devices::PartnerCenter;
    ///
    /// # async fn run() -> Result<(), partner_center_devices::Error> {
    /// let partner = PartnerCenter::from_env()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Builder::from_env`] and [`Builder::build`].
    pub fn from_env() -> Result<Self, Error> {
        Builder::from_env()?.build()
    }
}

impl Builder {
    /// Starts a client with the credential from the environment variables:
    ///
    /// | set | credential |
    /// |---|---|
    /// | `PARTNER_CENTER_TOKEN` | this [`AccessToken`]; the others are ignored |
    /// | `PARTNER_CENTER_TENANT_ID`, `PARTNER_CENTER_CLIENT_ID`, `PARTNER_CENTER_CLIENT_SECRET` | [`AppOnlyCredential`] |
    /// | these and `PARTNER_CENTER_REFRESH_TOKEN` | [`AppUserCredential`]; without the secret, of a public client |
    ///
    /// The variables of the Azure SDK (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`) are
    /// read where those are not set. `AZURE_CLIENT_SECRET` is used only with `AZURE_CLIENT_ID`, and
    /// `PARTNER_CENTER_CLIENT_SECRET` only with `PARTNER_CENTER_CLIENT_ID`. In addition,
    /// `PARTNER_CENTER_CLOUD` is the name of the [`Cloud`], and `PARTNER_CENTER_BASE_URL` is the
    /// [`base_url`](Self::base_url). An empty variable counts as not set.
    ///
    /// Refresh tokens that replace the one from the environment are not stored: a program that runs for
    /// longer than a refresh token is valid needs
    /// [`on_refresh_token`](AppUserCredential::on_refresh_token).
    ///
    /// ```no_run
    /// use partner_center_devices::Builder;
    ///
    /// # fn main() -> Result<(), partner_center_devices::Error> {
    /// let partner =
    ///     Builder::from_env()?.application_name("Contoso onboarding").build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) with the names of the variables that are missing, or with what
    /// is wrong with a value.
    pub fn from_env() -> Result<Self, Error> {
        let variables = |name: &str| {
            let value = env::var_os(name).unwrap_or_default().into_string();
            let value = value.map_err(|_| Error::config(format!("the value of {name} is not valid Unicode")))?;
            Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()))
        };
        from_variables(variables)
    }
}

fn from_variables(variable: impl Fn(&str) -> Result<Option<String>, Error>) -> Result<Builder, Error> {
    let own = |name: &str| variable(&format!("PARTNER_CENTER_{name}"));
    let azure = |name: &str| variable(&format!("AZURE_{name}"));
    let credential: Box<dyn Credential> = match own("TOKEN")? {
        Some(token) => Box::new(AccessToken::new(token)),
        None => {
            // A secret goes with its own application, never with another.
            let (client, secret) = match (own("CLIENT_ID")?, own("CLIENT_SECRET")?) {
                (None, None) => (azure("CLIENT_ID")?, azure("CLIENT_SECRET")?),
                own => own,
            };
            let tenant = own("TENANT_ID")?.or(azure("TENANT_ID")?);
            sign_in(tenant, client, secret, own("REFRESH_TOKEN")?)?
        }
    };
    let mut builder = PartnerCenter::builder(credential);
    if let Some(name) = own("CLOUD")? {
        builder = builder.cloud(name.parse::<Cloud>()?);
    }
    if let Some(url) = own("BASE_URL")? {
        builder = builder.base_url(url);
    }
    Ok(builder)
}

fn sign_in(
    tenant: Option<String>,
    client: Option<String>,
    secret: Option<String>,
    refresh_token: Option<String>,
) -> Result<Box<dyn Credential>, Error> {
    Ok(match (&tenant, &client, secret, refresh_token) {
        (Some(tenant), Some(client), Some(secret), None) => Box::new(AppOnlyCredential::new(tenant, client, secret)?),
        (Some(tenant), Some(client), Some(secret), Some(token)) => {
            Box::new(AppUserCredential::new(tenant, client, secret, token)?)
        }
        (Some(tenant), Some(client), None, Some(token)) => {
            Box::new(AppUserCredential::public_client(tenant, client, token)?)
        }
        (None, None, None, None) => {
            return Err(Error::config(
                "missing or empty in the environment: PARTNER_CENTER_TOKEN; or, to sign in, PARTNER_CENTER_TENANT_ID, \
                 PARTNER_CENTER_CLIENT_ID and PARTNER_CENTER_CLIENT_SECRET",
            ));
        }
        (_, _, secret, refresh_token) => {
            let missing = [
                ("PARTNER_CENTER_TENANT_ID", tenant.is_none()),
                ("PARTNER_CENTER_CLIENT_ID", client.is_none()),
                (
                    "PARTNER_CENTER_CLIENT_SECRET or PARTNER_CENTER_REFRESH_TOKEN",
                    secret.is_none() && refresh_token.is_none(),
                ),
            ];
            let names: Vec<_> =
                missing.into_iter().filter(|(_, is_missing)| *is_missing).map(|(name, _)| name).collect();
            return Err(Error::config(format!("missing or empty in the environment: {}", names.join(", "))));
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CLIENT: &str = "8f5a1f6e-0a0b-4c58-9d34-0f9f5a3c2b77";

    fn builder(variables: &[(&str, &str)]) -> Result<Builder, Error> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        from_variables(|name| Ok(find(name)))
    }

    fn refusal(variables: &[(&str, &str)]) -> String {
        builder(variables).unwrap_err().to_string()
    }

    #[test]
    fn each_missing_variable_is_named_and_no_value_is_shown() {
        let secret = "a-secret-value";
        assert!(refusal(&[]).contains("PARTNER_CENTER_TOKEN; or, to sign in, PARTNER_CENTER_TENANT_ID"));
        let only_secret = refusal(&[("AZURE_CLIENT_SECRET", secret)]);
        assert!(only_secret.ends_with(": PARTNER_CENTER_TENANT_ID, PARTNER_CENTER_CLIENT_ID"), "{only_secret}");
        assert!(!only_secret.contains(secret));
        let no_secret = refusal(&[("AZURE_TENANT_ID", "contoso.onmicrosoft.com"), ("AZURE_CLIENT_ID", CLIENT)]);
        assert!(no_secret.ends_with(": PARTNER_CENTER_CLIENT_SECRET or PARTNER_CENTER_REFRESH_TOKEN"), "{no_secret}");
    }

    #[test]
    fn the_secret_of_one_application_is_not_used_for_another() {
        let own = [("PARTNER_CENTER_TENANT_ID", "contoso.onmicrosoft.com"), ("PARTNER_CENTER_CLIENT_ID", CLIENT)];
        let without = refusal(&[&own[..], &[("AZURE_CLIENT_SECRET", "of another")]].concat());
        assert!(without.ends_with(": PARTNER_CENTER_CLIENT_SECRET or PARTNER_CENTER_REFRESH_TOKEN"), "{without}");
        let without = refusal(&[own[0], ("PARTNER_CENTER_CLIENT_SECRET", "its own"), ("AZURE_CLIENT_ID", CLIENT)]);
        assert!(without.ends_with(": PARTNER_CENTER_CLIENT_ID"), "{without}");
    }

    #[test]
    fn an_unknown_cloud_is_an_error_with_those_that_are_known() {
        let refusal = refusal(&[("PARTNER_CENTER_TOKEN", "a-token"), ("PARTNER_CENTER_CLOUD", "mars")]);
        assert!(refusal.contains("unknown cloud \"mars\": expected one of"), "{refusal}");
    }
}
