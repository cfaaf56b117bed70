using System.Globalization;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace SuspiciousSignin.Api.Requests;

/// <summary>
/// Reads whole numbers of a query as the OpenAPI documents describe them: decimal digits. .NET's converter takes hexadecimal ones too. A
/// number beyond those of .NET is out of range, like any other that is too great.
/// </summary>
internal sealed class WholeNumberBinder : IModelBinder, IModelBinderProvider
{
    public IModelBinder? GetBinder(ModelBinderProviderContext context) => context.Metadata.ModelType == typeof(int?) ? this : null;

    public Task BindModelAsync(ModelBindingContext bindingContext)
    {
        var value = bindingContext.ValueProvider.GetValue(bindingContext.ModelName);
        if (value.FirstValue is not { Length: > 0 } text)
        {
            return Task.CompletedTask;
        }

        bindingContext.ModelState.SetModelValue(bindingContext.ModelName, value);
        var digits = text.StartsWith('-') ? text.AsSpan(1) : text;
        if (digits.IsEmpty || digits.ContainsAnyExceptInRange('0', '9'))
        {
            bindingContext.ModelState.TryAddModelError(bindingContext.ModelName, "Not a whole number.");
            return Task.CompletedTask;
        }

        var number = int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var read) ? read
            : text.StartsWith('-') ? int.MinValue
            : int.MaxValue;
        bindingContext.Result = ModelBindingResult.Success(number);
        return Task.CompletedTask;
    }
}
