using CsCheck;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Tests.Correlation;

/// <summary>The order in which an answer names accounts: it must not depend on how they are sorted, nor on how they came.</summary>
public sealed class AccountsTests
{
    // Names that begin alike for less, as much and more than eight characters, hold NUL, letters beyond ASCII and halves of surrogate pairs.
    private static readonly Gen<string> Name =
        Gen.Select(Gen.OneOf("", "crew", "crew000", "crew0000", "crew00000", "\0", "\0\0\0\0\0\0\0\0", "ünä", "\ud83d\ude00"), Gen.Char["01\0aAz\u00ff\uffff\ud83d"].Array[0, 3], (start, rest) => start + new string(rest));

    private static readonly Gen<(EventUser User, int AzureSignIn, int MailAccess)> Account =
        Gen.Select(Name, Gen.Bool, Gen.Int[-3, 3], Gen.Int[-5, 5], Gen.Int[0, 2], Gen.Int[0, 2], (name, hasName, id, email, azureSignIn, mailAccess) => (
            new EventUser { Name = hasName ? name : null, Id = id < 0 ? null : $"{id}", Email = email < 0 ? null : $"{email}@northwindferry.example" },
            azureSignIn,
            mailAccess));

    [Fact]
    public void Accounts_that_only_differ_in_their_domain_come_in_one_order_however_they_came()
    {
        (string Domain, int AzureSignIn, int MailAccess)[] added = [("a.example", 2, 0), ("b.example", 1, 1)];
        var orders = new[] { added, [.. added.Reverse()] }.Select(order =>
        {
            var accounts = new Accounts();
            foreach (var (domain, azureSignIn, mailAccess) in order)
            {
                accounts.Add(new EventUser { Name = "bob", Domain = domain }, azureSignIn, mailAccess);
            }

            return accounts.ToActivities();
        }).ToArray();

        Assert.Equal(2, orders[0].Count);
        Assert.Equal(orders[0], orders[1]);
    }

    [Fact]
    public void A_display_name_that_two_service_principals_have_makes_no_account_of_them()
    {
        var accounts = new Accounts();
        foreach (var (name, id) in new[] { ("backup", "11111111-a"), ("backup", "22222222-b"), ("Backup of yesterday", "11111111-A") })
        {
            accounts.Add(new EventUser { Name = name, Id = id }, 1, 0);
        }

        Assert.Equal([("11111111-A", 2L), ("22222222-b", 1L)], accounts.ToActivities().Select(user => (user.Id!, user.AzureSignIn)));
    }

    [Fact]
    public void An_account_has_the_name_and_id_of_the_directory_whatever_the_mailbox_calls_it()
    {
        const string Email = "ada@northwindferry.example";
        var accounts = new Accounts();
        accounts.Add(new EventUser { Email = Email, Name = "Ada", Id = "0-of-the-mailbox" }, 0, 1);
        accounts.Add(new EventUser { Email = Email, Name = Email, Id = "1-of-the-directory" }, 1, 0);

        var account = Assert.Single(accounts.ToActivities());
        Assert.Equal((Email, "1-of-the-directory"), (account.Name, account.Id));
    }

    [Fact]
    public void Accounts_come_busiest_first_then_by_name_id_and_email_as_ordinal_text() =>
        Account.Array[0, 60].Sample(added =>
        {
            var accounts = new Accounts();
            foreach (var (user, azureSignIn, mailAccess) in added)
            {
                accounts.Add(user, azureSignIn, mailAccess);
            }

            var told = accounts.ToActivities();
            Assert.Equal(
                told.OrderByDescending(user => user.AzureSignIn + user.MailAccess)
                    .ThenBy(user => user.Name, StringComparer.Ordinal)
                    .ThenBy(user => user.Id, StringComparer.Ordinal)
                    .ThenBy(user => user.Email, StringComparer.Ordinal),
                told);
            Assert.Equal(added.Sum(account => account.AzureSignIn + account.MailAccess), told.Sum(user => user.AzureSignIn + user.MailAccess));
        });
}
