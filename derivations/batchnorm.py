"""The backward pass of BatchNorm, for a batch of symbolic size.

One channel of a batch ``x_1, ..., x_m`` is centred on its mean, divided by the square root of its biased variance
plus eps, scaled by gamma and shifted by beta. The loss is any differentiable function of the outputs; it enters
through the upstream gradients ``g_j = dL/dy_j`` alone, because ``dL = sum_j g_j dy_j``. Every gradient below is
therefore the derivative of ``sum_j g_j y_j`` with the ``g_j`` held fixed.

The backward pass is differentiated in the same way: a loss that depends on the input gradient does so, to first order,
through ``sum_n v_n dL/dx_n``, with ``v`` the upstream gradient of the input gradient. Its derivatives in g, gamma and
x are the double backward pass.

Conventions: the batch size m is at least 2, eps is at least 0, and the batch is not constant when eps = 0.

Sources: sari2020 (1), li2023 (9)-(14).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import sympy as sp
from sympy.printing.precedence import PRECEDENCE

from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.derivation import Derivation
from derivations.machinery.domain import Domain
from derivations.machinery.formula import Formula, Source
from derivations.machinery.prover import Lemmas
from derivations.machinery.sums import INDEX, contract, expand_sums

# --- symbols -------------------------------------------------------------------------------------------

m = sp.Symbol("m", integer=True, positive=True)
i = sp.Symbol("i", integer=True, positive=True)
j = sp.Symbol("j", integer=True, positive=True)
k = sp.Symbol("k", integer=True, positive=True)
l = sp.Symbol("l", integer=True, positive=True)
n = sp.Symbol("n", integer=True, positive=True)
gamma = sp.Symbol("gamma", real=True)
beta = sp.Symbol("beta", real=True)
eps = sp.Symbol("eps", nonnegative=True)
mu = sp.Symbol("mu", real=True)
var = sp.Symbol("v", positive=True)
x = sp.IndexedBase("x", real=True)
g = sp.IndexedBase("g", real=True)
v = sp.IndexedBase("v", real=True)
xhat = sp.IndexedBase("xhat", real=True)

_BATCH = {m: sp.Range(2, sp.oo)}
_INDEX = {i: sp.Range(1, m + 1)}
_INDICES = {i: sp.Range(1, m + 1), j: sp.Range(1, m + 1)}
_INPUTS, _UPSTREAM, _SECOND = {x: sp.S.Reals}, {g: sp.S.Reals}, {v: sp.S.Reals}
_PARAMETERS = {gamma: sp.S.Reals, beta: sp.S.Reals, eps: sp.Interval(0, sp.oo)}

# --- the forward pass ------------------------------------------------------------------------------------


def total(summand: sp.Expr, index: sp.Symbol) -> sp.Sum:
    """The sum over the batch."""
    return sp.Sum(summand, (index, 1, m))


def batch_mean() -> sp.Expr:
    """The mean of the batch."""
    return total(x[k], k) / m


def batch_variance() -> sp.Expr:
    """The biased variance of the batch, by which BatchNorm normalises."""
    return total((x[l] - batch_mean()) ** 2, l) / m


def normalised(index: sp.Symbol, added: sp.Expr = eps) -> sp.Expr:
    """The normalised input of one sample, with what is added to the variance."""
    return (x[index] - batch_mean()) / sp.sqrt(batch_variance() + added)


def output(index: sp.Symbol) -> sp.Expr:
    """The output of one sample."""
    return gamma * normalised(index) + beta


def loss() -> sp.Sum:
    """The loss to first order: its upstream gradients times the outputs."""
    return total(g[j] * output(j), j)


class BatchMean(Abbreviation):
    """The mean of the batch, by name."""

    is_real = True

    def unfolded(self) -> sp.Expr:
        """The mean written out."""
        return batch_mean()

    def _latex(self, printer: Any) -> str:
        return r"\mu"

    def _sympystr(self, printer: Any) -> str:
        return "mean"


class BatchVariance(Abbreviation):
    """The biased variance of the batch, by name."""

    is_nonnegative = True

    def unfolded(self) -> sp.Expr:
        """The variance written out."""
        return batch_variance()

    precedence = PRECEDENCE["Pow"]  # the name is a power itself: a power of it needs brackets

    def _latex(self, printer: Any) -> str:
        return r"\sigma^{2}"

    def _sympystr(self, printer: Any) -> str:
        return "var"


class Xhat(Abbreviation):
    """The normalised input of one sample, by name; with eps = 0 it is written ``z``, the standardised input."""

    is_real = True

    def __new__(cls, index: sp.Expr, added: sp.Expr = eps) -> Any:
        return super().__new__(cls, index, added)

    def unfolded(self) -> sp.Expr:
        """The quotient written out."""
        return normalised(*self.args)

    def _latex(self, printer: Any) -> str:
        index, added = self.args
        name = "z" if added == 0 else r"\hat{x}"
        return rf"{name}_{{{printer._print(index)}}}"

    def _sympystr(self, printer: Any) -> str:
        index, added = self.args
        return f"{'z' if added == 0 else 'xhat'}[{printer._print(index)}]"


MEAN, VARIANCE = BatchMean(), BatchVariance()


# --- domains -----------------------------------------------------------------------------------------------


def _domain(*symbols: dict[Any, sp.Set], divisor: sp.Expr = VARIANCE + eps) -> Domain:
    """A batch and further symbols; what the formula divides by is not zero."""
    sets: dict[Any, sp.Set] = dict(_BATCH)
    for some in symbols:
        sets |= some
    lengths = {s: m for s in sets if isinstance(s, sp.IndexedBase)}
    return Domain(sets, (sp.Ne(divisor, 0),) if divisor.has(VARIANCE) else (), lengths)


STATISTICS = _domain(_INDEX, _INPUTS, divisor=m)
WITHOUT_GRADIENTS = _domain(_INPUTS, _PARAMETERS)
WHOLE_BATCH = _domain(_INPUTS, _UPSTREAM, _PARAMETERS)
ONE_ROW = _domain(_INDEX, _INPUTS, _PARAMETERS)
ONE_SAMPLE = _domain(_INDEX, _INPUTS, _UPSTREAM, _PARAMETERS)
WHOLE_BATCH_TWICE = _domain(_INPUTS, _UPSTREAM, _SECOND, _PARAMETERS)
ONE_SAMPLE_TWICE = _domain(_INDEX, _INPUTS, _UPSTREAM, _SECOND, _PARAMETERS)
VARYING_SAMPLE = _domain(_INDEX, _INPUTS, _UPSTREAM, _PARAMETERS, divisor=VARIANCE)
TWO_SAMPLES = _domain(_INDICES, _INPUTS, _PARAMETERS)
PROJECTION = _domain(_INDICES, _INPUTS, divisor=VARIANCE)
PROJECTION_TRACE = _domain(_INPUTS, divisor=VARIANCE)


# --- operations that the steps consist of ----------------------------------------------------------------


def _fold(expr: sp.Expr) -> sp.Expr:
    """Normalised inputs, variance and mean by their names."""
    expr = expr.replace(
        lambda e: isinstance(e, sp.Mul) and _normalised_index(e) is not None,
        lambda e: e / normalised(_normalised_index(e)) * Xhat(_normalised_index(e)),
    )
    return expr.xreplace({batch_variance(): VARIANCE}).xreplace({batch_mean(): MEAN})


def _normalised_index(product: sp.Expr) -> sp.Symbol | None:
    numerators = {x[index] - batch_mean(): index for index in (i, j)}
    if (batch_variance() + eps) ** sp.Rational(-1, 2) not in product.args:
        return None
    return next((numerators[f] for f in product.args if f in numerators), None)


def _sums_apart(expr: sp.Expr) -> sp.Expr:
    """Deltas contracted, factors that do not depend on the index in front of the sum, then common factors."""
    return _readable(sp.factor_terms(expand_sums(expr), fraction=False))


def _readable(expr: sp.Expr) -> sp.Expr:
    """The index of canonical sums by a letter that is not taken."""
    return expr.xreplace({INDEX: j if j not in expr.free_symbols else l})


def _in_normalised_inputs(expr: sp.Expr) -> sp.Expr:
    """Every ``x_n`` as ``mean + sqrt(var + eps) xhat_n``, then common factors."""
    root = sp.Symbol("R", positive=True)

    def named(power: sp.Pow) -> sp.Expr:
        return root ** (2 * power.exp) if power.base == VARIANCE + eps else power

    expr = expr.replace(lambda e: isinstance(e, sp.Pow), named)
    expr = expr.replace(
        lambda e: isinstance(e, sp.Indexed) and e.base == x, lambda e: MEAN + root * Xhat(e.indices[0])
    )
    expr = expr.replace(lambda e: isinstance(e, sp.Sum), lambda e: sp.Sum(sp.expand(e.function), *e.limits))
    return sp.factor(sp.expand(expr)).subs(root, sp.sqrt(VARIANCE + eps))


def _under_the_sum(expr: sp.Derivative) -> sp.Expr:
    """The derivative of a finite sum is the sum of the derivatives; ``g_j`` is held fixed."""
    (summation,) = expr.expr.atoms(sp.Sum) & {expr.expr}
    ((index, low, high),) = summation.limits
    return sp.Sum(
        g[index] * sp.Derivative(summation.function / g[index], *expr.variables), (index, low, high)
    )


# --- the derivatives of the statistics, and the Jacobian ----------------------------------------------------


def _differentiate(expr: sp.Expr) -> sp.Expr:
    return contract(expr.replace(lambda e: isinstance(e, sp.Derivative), lambda e: e.doit(deep=False)))


@cache
def _mean_derivative() -> Derivation:
    return Derivation.begin(sp.Derivative(batch_mean(), x[i]), STATISTICS).step(
        "only the term $k = i$ depends on $x_i$", lambda e: expand_sums(_differentiate(e))
    )


@cache
def _variance_derivative() -> Derivation:
    return (
        Derivation.begin(sp.Derivative(batch_variance(), x[i]), STATISTICS)
        .step("chain rule; the mean depends on $x_i$ too", _differentiate)
        .step(
            "the deviations from the mean sum to zero",
            lambda e: sp.factor(expand_sums(e).xreplace({total(x[INDEX], INDEX): m * MEAN})),
        )
    )


@cache
def _jacobian() -> Derivation:
    position, centre, spread = sp.symbols("X M V", positive=True)
    scale = gamma * (position - centre) / sp.sqrt(spread + eps) + beta
    here = {position: x[j], centre: MEAN, spread: VARIANCE}

    def chain_rule(_: sp.Expr) -> sp.Expr:
        through_position = sp.diff(scale, position).subs(here) * sp.KroneckerDelta(i, j)
        through_mean = sp.diff(scale, centre).subs(here) * _mean_derivative().conclusion
        through_variance = sp.diff(scale, spread).subs(here) * _variance_derivative().conclusion
        return through_position + through_mean + through_variance

    return (
        Derivation.begin(sp.Derivative(output(j), x[i]), TWO_SAMPLES)
        .step("chain rule through $x_j$, the mean and the variance", chain_rule)
        .step("normalised inputs by their name", _in_normalised_inputs)
    )


# --- the gradients ---------------------------------------------------------------------------------------------


@cache
def _grad_gamma() -> Derivation:
    return (
        Derivation.begin(sp.Derivative(loss(), gamma), WHOLE_BATCH)
        .step("derivative under the sum", _under_the_sum)
        .step("each output is linear in $\\gamma$", lambda e: _fold(_differentiate(e)))
    )


@cache
def _grad_beta() -> Derivation:
    return (
        Derivation.begin(sp.Derivative(loss(), beta), WHOLE_BATCH)
        .step("derivative under the sum", _under_the_sum)
        .step("each output contains $\\beta$ once", _differentiate)
    )


@cache
def _grad_xhat() -> Derivation:
    domain = _domain(_INDEX, {xhat: sp.S.Reals}, _UPSTREAM, {gamma: sp.S.Reals, beta: sp.S.Reals}, divisor=m)
    affine_loss = total(g[j] * (gamma * xhat[j] + beta), j)
    return (
        Derivation.begin(sp.Derivative(affine_loss, xhat[i]), domain)
        .step("derivative under the sum", _under_the_sum)
        .step("only the output $j = i$ depends on $\\hat{x}_i$", lambda e: expand_sums(_differentiate(e)))
    )


def _loss_given(centre: sp.Expr, spread: sp.Expr) -> sp.Sum:
    return total(g[j] * (gamma * (x[j] - centre) / sp.sqrt(spread + eps) + beta), j)


def _inside(expr: sp.Subs, operation: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
    return sp.Subs(operation(expr.expr), expr.variables, expr.point)


@cache
def _grad_mean() -> Derivation:
    spread = total((x[l] - mu) ** 2, l) / m  # the variance is taken about mu, so it moves with mu

    def at_the_mean(expr: sp.Subs) -> sp.Expr:
        # the deviations from the mean sum to zero: the path through the variance contributes nothing
        direct = sp.Derivative(_loss_given(mu, var), mu)
        (at,) = expr.point
        return _differentiate(_under_the_sum(direct)).xreplace({var: VARIANCE, mu: at})

    return (
        Derivation.begin(
            sp.Subs(sp.Derivative(_loss_given(mu, spread), mu), (mu,), (batch_mean(),)), WHOLE_BATCH
        )
        .step("derivative under the sum", lambda e: _inside(e, _under_the_sum))
        .step("the path through the variance vanishes, as $\\sum_l (x_l - \\mu) = 0$", at_the_mean)
        .step("common factors in front of the sum", _sums_apart)
    )


@cache
def _grad_variance() -> Derivation:
    def at_the_variance(expr: sp.Subs) -> sp.Expr:
        return _differentiate(expr.expr).xreplace({var: VARIANCE, batch_mean(): MEAN})

    return (
        Derivation.begin(
            sp.Subs(sp.Derivative(_loss_given(batch_mean(), var), var), (var,), (batch_variance(),)),
            WHOLE_BATCH,
        )
        .step("derivative under the sum", lambda e: _inside(e, _under_the_sum))
        .step("power rule, at the variance of the batch", at_the_variance)
        .step("normalised inputs by their name", lambda e: _sums_apart(_in_normalised_inputs(e)))
        .step("$\\sum_j \\hat{x}_j = 0$", _with_sums_of_xhat)
    )


@cache
def _grad_input() -> Derivation:
    jacobian = Lemmas(_jacobian())
    return (
        Derivation.begin(sp.Derivative(loss(), x[i]), ONE_SAMPLE)
        .step("derivative under the sum", _under_the_sum)
        .step("the Jacobian", jacobian.apply, by=jacobian)
        .step("the delta contracted, common factors in front", _sums_apart)
    )


# --- the gradients of the backward pass ----------------------------------------------------------------------------


def second_loss() -> sp.Sum:
    """The loss to first order in the input gradient: its upstream gradients times the input gradient."""
    return total(v[n] * sp.Derivative(loss(), x[n]), n)


@cache
def _grad_input_dot_v() -> Derivation:
    gradient = Lemmas(_grad_input(), at={i: n})
    return (
        Derivation.begin(second_loss(), WHOLE_BATCH_TWICE)
        .step("the input gradient", gradient.apply, by=gradient)
        .step("common factors in front of the sums", _sums_apart)
    )


def _of_second_loss(variable: sp.Expr, domain: Domain) -> Derivation:
    """The derivative of the second loss, its sums taken apart."""
    inner = Lemmas(_grad_input_dot_v())
    return Derivation.begin(sp.Derivative(second_loss(), variable), domain).step(
        "the inner product of $v$ and the input gradient", inner.apply, by=inner
    )


@cache
def _double_grad_g() -> Derivation:
    return _of_second_loss(g[i], ONE_SAMPLE_TWICE).step(
        "each sum is linear in $g$; only its term $j = i$ depends on $g_i$",
        lambda e: _sums_apart(_differentiate(e)),
    )


@cache
def _double_grad_gamma() -> Derivation:
    return _of_second_loss(gamma, WHOLE_BATCH_TWICE).step("linear in $\\gamma$", _differentiate)


@cache
def _double_grad_input() -> Derivation:
    g_xhat, v_xhat = (total(upstream[j] * Xhat(j), j) for upstream in (g, v))
    names = dict(zip((g_xhat, v_xhat, VARIANCE), sp.symbols("A B V", positive=True), strict=True))
    along_g = _grad_input().conclusion.subs(gamma, 1)  # the derivative of g_xhat in x_i
    paths = (along_g, along_g.xreplace({g: v}), _variance_derivative().conclusion)

    def chain_rule(expr: sp.Derivative) -> sp.Expr:
        back = {name: quantity for quantity, name in names.items()}
        named = expr.expr.xreplace(names)
        return sp.Add(
            *[sp.diff(named, name).xreplace(back) * path for name, path in zip(back, paths, strict=True)]
        )

    def by_sums(expr: sp.Expr) -> sp.Expr:
        (bracket,) = [factor for factor in expr.args if factor.has(Xhat)]
        return expr / bracket * m * sp.collect(sp.expand(bracket / m), (Xhat(i), g_xhat, v_xhat))

    return (
        _of_second_loss(x[i], ONE_SAMPLE_TWICE)
        .step(
            "chain rule through $\\sum g_j \\hat{x}_j$, $\\sum v_j \\hat{x}_j$ and the variance; "
            "the sums as in the input gradient for $\\gamma = 1$",
            chain_rule,
        )
        .step("normalised inputs by their name", _in_normalised_inputs)
        .step("collected", by_sums)
    )


# --- the Jacobian as a matrix --------------------------------------------------------------------------------------


def _entry(row: sp.Expr, column: sp.Expr) -> sp.Expr:
    """The entry ``dy_column/dx_row``; the matrix is symmetric."""
    return _jacobian().conclusion.subs({i: row, j: column}, simultaneous=True)


SUM_OF_SQUARES = total(Xhat(k) ** 2, k)


@cache
def _norm_of_xhat() -> Derivation:
    domain = _domain(_INPUTS, {eps: sp.Interval(0, sp.oo)})
    squares = total((x[k] - MEAN) ** 2, k)

    def written_out(expr: sp.Sum) -> sp.Expr:
        unfolded = expr.function.xreplace({Xhat(k): (x[k] - MEAN) / sp.sqrt(VARIANCE + eps)})
        constant, summand = unfolded.as_independent(k, as_Add=False)
        return constant * total(summand, k)

    return (
        Derivation.begin(SUM_OF_SQUARES, domain)
        .step("the definition of $\\hat{x}$", written_out)
        .step("the definition of $\\sigma^2$", lambda e: e.xreplace({squares: m * VARIANCE}))
    )


def _with_sums_of_xhat(expr: sp.Expr) -> sp.Expr:
    """``sum xhat = 0`` and ``sum xhat^2 = m var/(var + eps)``."""
    square = total(Xhat(INDEX) ** 2, INDEX)
    first = total(Xhat(INDEX), INDEX)
    known = expand_sums(expr).xreplace({first: sp.S.Zero, square: _norm_of_xhat().conclusion})
    return _readable(_like_terms(sp.factor(sp.simplify(known))))


def _like_terms(product: sp.Expr) -> sp.Expr:
    """Factors collected in sums, deltas and normalised inputs, then in eps and the variance."""

    def collected(factor: sp.Expr) -> sp.Expr:
        atoms = factor.atoms(sp.Sum, sp.KroneckerDelta, Xhat) or (eps, VARIANCE)
        return sp.collect(factor, atoms, sp.factor) if factor.is_Add else factor

    return sp.Mul(*[collected(factor) for factor in sp.Mul.make_args(product)])


def _summed(definition: sp.Expr, domain: Domain, substituted: Callable[[sp.Expr], sp.Expr]) -> Derivation:
    return (
        Derivation.begin(definition, domain)
        .step("the closed forms of the derivatives", substituted)
        .step(
            "$\\sum \\hat{x}_k = 0$ and $\\sum \\hat{x}_k^2 = m\\sigma^2/(\\sigma^2 + \\epsilon)$",
            _with_sums_of_xhat,
        )
    )


def _jacobian_entries(expr: sp.Expr) -> sp.Expr:
    def closed(derivative: sp.Derivative) -> sp.Expr:
        (row,) = derivative.variables[0].indices
        (column,) = [c for c in (i, j, n) if derivative.expr == output(c)]
        return _entry(row, column)

    return expr.replace(lambda e: isinstance(e, sp.Derivative), closed)


def _input_gradients(expr: sp.Expr) -> sp.Expr:
    def closed(derivative: sp.Derivative) -> sp.Expr:
        (row,) = derivative.variables[0].indices
        return _grad_input().conclusion.subs(i, row)

    return expr.replace(lambda e: isinstance(e, sp.Derivative), closed)


def _dy(column: sp.Symbol, row: sp.Symbol) -> sp.Derivative:
    return sp.Derivative(output(column), x[row])


def _at_zero_eps(general: Derivation, power: int, domain: Domain) -> Derivation:
    """A quantity of the Jacobian of that degree in ``gamma/sigma``, in units of it, at eps = 0."""
    units = VARIANCE ** sp.Rational(power, 2)
    lemma = Lemmas(general)
    return (
        Derivation.begin(units * sp.Subs(general.definition, (gamma, beta, eps), (1, 0, 0)), domain)
        .step("the closed form for any $\\epsilon$", lemma.apply, by=lemma)
        .step("$\\gamma = 1$, $\\beta = \\epsilon = 0$", lambda e: sp.expand(e.doit()))
    )


@cache
def _jacobian_squared() -> Derivation:
    return _summed(total(_dy(n, i) * _dy(n, j), n), TWO_SAMPLES, _jacobian_entries)


@cache
def _jacobian_trace() -> Derivation:
    entries = total(sp.Derivative(output(n), x[n]), n)
    return _summed(entries, WITHOUT_GRADIENTS, _jacobian_trace_entries)


@cache
def _grad_gain() -> Derivation:
    entries = total(total(_dy(j, i) ** 2, j), i) / m
    return _summed(entries, WITHOUT_GRADIENTS, _jacobian_entries)


# --- inference and running statistics --------------------------------------------------------------------------------


@cache
def _inference() -> Derivation:
    value = sp.Symbol("x", real=True)
    spread = sp.Symbol("v", nonnegative=True)
    sets = {value: sp.S.Reals, mu: sp.S.Reals, spread: sp.Interval(0, sp.oo), **_PARAMETERS}
    return Derivation.begin(
        gamma * (value - mu) / sp.sqrt(spread + eps) + beta, Domain(sets, (sp.Ne(spread + eps, 0),))
    ).step("running statistics are constants: collected in $x$", lambda e: sp.collect(sp.expand(e), value))


@cache
def _running_variance() -> Derivation:
    sigma = sp.Symbol("sigma", nonnegative=True)
    domain = Domain({**_BATCH, mu: sp.S.Reals, sigma: sp.Interval(0, sp.oo)})

    def product_moment(first: sp.Symbol, second: sp.Symbol) -> sp.Expr:
        """E[x_first x_second] of independent samples with mean mu and variance sigma^2."""
        return mu**2 + sigma**2 * sp.KroneckerDelta(first, second)

    squared_deviation = (
        product_moment(l, l)
        - 2 * total(product_moment(l, k), k) / m
        + total(total(product_moment(k, n), k), n) / m**2
    )
    return (
        Derivation.begin(total(squared_deviation, l) / (m - 1), domain)
        .step("the deltas contracted", expand_sums)
        .step("simplified", lambda e: sp.cancel(sp.together(e)))
    )


# --- the formulas ----------------------------------------------------------------------------------------------------

_EDGES = (
    "m = 1: every xhat is 0, so with eps > 0 the output is beta and the input gradient is 0; "
    "with eps = 0 the quotient 0/0 is undefined.",
    "Constant input: as m = 1 for the output; with eps > 0 the Jacobian is gamma/sqrt(eps) (I - 11^T/m).",
    "gamma = 0: every input gradient is 0, the gradient of gamma need not be.",
)


def formulas() -> tuple[Formula, ...]:
    """All formulas of this subject.

    Examples
    --------
    >>> from derivations.batchnorm import formulas
    >>> [f.closed_form for f in formulas() if f.name == "batchnorm.grad_beta"]
    [Sum(g[j], (j, 1, m))]
    """
    gradient = sp.Derivative(loss(), x[i])
    at_eps = (
        "eps = 0: the Jacobian is gamma/sigma times an orthogonal projection of rank m - 2.",
        "Eigenvalues of the Jacobian, in units of gamma/sqrt(var + eps): 0 on the constant vector, eps/(var + eps) "
        "on xhat unless that is 0, 1 on their complement; hence rank m - 1 for eps > 0 and gamma != 0.",
    )
    complement = (
        g[n] - total(g[l], l) / m - Xhat(n) * total(g[l] * Xhat(l), l) / SUM_OF_SQUARES.xreplace({k: l})
    )
    gradients = (
        Formula(
            "batchnorm.grad_gamma",
            "Gradient of the loss in gamma",
            _grad_gamma(),
            (Source("sari2020", "U1"), Source("li2023", "13")),
        ),
        Formula(
            "batchnorm.grad_beta",
            "Gradient of the loss in beta",
            _grad_beta(),
            (Source("sari2020", "U1"), Source("li2023", "14")),
        ),
        Formula(
            "batchnorm.grad_xhat", "Gradient of the loss in xhat_i", _grad_xhat(), (Source("li2023", "9"),)
        ),
        Formula(
            "batchnorm.grad_mean",
            "Gradient of the loss in the batch mean, the variance moving with it",
            _grad_mean(),
            (Source("li2023", "11"),),
        ),
        Formula(
            "batchnorm.grad_variance",
            "Gradient of the loss in the batch variance",
            _grad_variance(),
            (Source("li2023", "10"),),
        ),
        Formula(
            "batchnorm.grad_input",
            "Gradient of the loss in x_i",
            _grad_input(),
            (Source("sari2020", "1"), Source("li2023", "12")),
            ("batchnorm.jacobian",),
            _EDGES,
        ),
    )
    symmetric = (
        "The Jacobian applied to v: it is symmetric, so the formula is batchnorm.grad_input with v for g."
    )
    second = (
        Formula(
            "batchnorm.grad_input_dot_v",
            "Inner product of the input gradient with a vector v",
            _grad_input_dot_v(),
            related=("batchnorm.grad_input", "batchnorm.double_grad_input"),
        ),
        Formula(
            "batchnorm.double_grad_g",
            "Double backward: gradient in g_i, for the upstream gradient v of the input gradient",
            _double_grad_g(),
            related=("batchnorm.jacobian", "batchnorm.double_grad_gamma", "batchnorm.double_grad_input"),
            notes=(symmetric,),
        ),
        Formula(
            "batchnorm.double_grad_gamma",
            "Double backward: gradient in gamma, for the upstream gradient v of the input gradient",
            _double_grad_gamma(),
            related=("batchnorm.grad_input_dot_v", "batchnorm.double_grad_g"),
        ),
        Formula(
            "batchnorm.double_grad_input",
            "Double backward: gradient in x_i, for the upstream gradient v of the input gradient",
            _double_grad_input(),
            related=("batchnorm.double_grad_g", "batchnorm.double_grad_gamma"),
            notes=(
                "Symmetric in g and v: the second derivatives of sum g_j y_j and of sum v_j y_j, crosswise.",
            ),
        ),
    )
    statistics = (
        Formula("batchnorm.mean_derivative", "Derivative of the batch mean in x_i", _mean_derivative()),
        Formula(
            "batchnorm.variance_derivative", "Derivative of the batch variance in x_i", _variance_derivative()
        ),
        Formula("batchnorm.xhat_norm", "Squared norm of the normalised input", _norm_of_xhat()),
        Formula(
            "batchnorm.jacobian",
            "Jacobian dy_j/dx_i: gamma/sqrt(var + eps) times I - 11^T/m - xhat xhat^T/m",
            _jacobian(),
            (),
            ("batchnorm.jacobian_squared",),
            (*at_eps, *_EDGES),
        ),
    )
    matrix = (
        Formula(
            "batchnorm.jacobian_on_ones",
            "The Jacobian annihilates the constant vector",
            _summed(total(_dy(n, i), n), ONE_ROW, _jacobian_entries),
            notes=at_eps,
        ),
        Formula(
            "batchnorm.jacobian_on_xhat",
            "The Jacobian on xhat: eigenvalue eps/(var + eps), times gamma/sqrt(var + eps)",
            _summed(total(_dy(n, i) * Xhat(n), n), ONE_ROW, _jacobian_entries),
            notes=at_eps,
        ),
        Formula(
            "batchnorm.jacobian_on_complement",
            "The Jacobian on a vector orthogonal to 1 and xhat: eigenvalue gamma/sqrt(var + eps)",
            _on_complement(complement),
            notes=at_eps,
        ),
        Formula(
            "batchnorm.jacobian_trace",
            "Trace of the Jacobian",
            _jacobian_trace(),
            notes=at_eps,
        ),
        Formula(
            "batchnorm.jacobian_squared",
            "Square of the Jacobian",
            _jacobian_squared(),
            notes=at_eps,
        ),
    )
    gain = Formula(
        "batchnorm.grad_gain",
        "Mean square of the input gradient for independent centred upstream gradients of variance 1",
        _grad_gain(),
        (Source("sari2020", "2"),),
        ("batchnorm.jacobian_trace",),
        (
            "The sum of the squares of the Jacobian over m: the expectation over upstream gradients with "
            "E[g_j g_k] = delta_jk, averaged over the batch.",
            "eps = 0: gamma^2/var (1 - 2/m); the two directions that BatchNorm removes are the missing share 2/m.",
        ),
    )
    idempotent = (
        "batchnorm.projection and batchnorm.projection_squared are equal: P is an orthogonal projection."
    )
    projection = (
        Formula(
            "batchnorm.projection",
            "P = sqrt(var)/gamma times the Jacobian at eps = 0",
            _at_zero_eps(_jacobian(), 1, PROJECTION),
            related=("batchnorm.projection_squared", "batchnorm.projection_rank"),
            notes=(idempotent,),
        ),
        Formula(
            "batchnorm.projection_squared",
            "P squared: the same entries",
            _at_zero_eps(_jacobian_squared(), 2, PROJECTION),
            related=("batchnorm.projection",),
            notes=(idempotent,),
        ),
        Formula(
            "batchnorm.projection_rank",
            "Rank of P, the trace of a projection; hence the rank of the Jacobian at eps = 0 and gamma != 0",
            _at_zero_eps(_jacobian_trace(), 1, PROJECTION_TRACE),
            related=("batchnorm.projection",),
        ),
    )
    across = (
        Formula(
            "batchnorm.grad_input_sum",
            "The input gradient sums to zero over the batch",
            _summed(total(gradient, i), WHOLE_BATCH, _input_gradients),
        ),
        Formula(
            "batchnorm.grad_input_dot_xhat",
            "Inner product of the input gradient with xhat",
            _summed(total(Xhat(i) * gradient, i), WHOLE_BATCH, _input_gradients),
            notes=("Zero at eps = 0.",),
        ),
        Formula(
            "batchnorm.grad_input_mean",
            "Mean of the input gradient across the batch",
            _summed(total(gradient, i) / m, WHOLE_BATCH, _input_gradients),
        ),
        Formula(
            "batchnorm.grad_input_variance",
            "Variance of the input gradient across the batch",
            _summed(total(gradient**2, i) / m - (total(gradient, i) / m) ** 2, WHOLE_BATCH, _input_gradients),
        ),
    )
    running = (
        Formula("batchnorm.inference", "Inference mode: an affine map of x", _inference()),
        Formula(
            "batchnorm.running_variance",
            "Expectation of the unbiased variance m/(m - 1) var that enters the running variance",
            _running_variance(),
            notes=(
                "Assumes uncorrelated samples with common mean mu and variance sigma^2.",
                "Normalisation uses the biased variance, whose expectation is (m - 1)/m sigma^2; PyTorch keeps "
                "the unbiased one for inference.",
            ),
        ),
    )
    return gradients + second + statistics + matrix + (gain,) + projection + across + running


def _jacobian_trace_entries(expr: sp.Expr) -> sp.Expr:
    return expr.replace(lambda e: isinstance(e, sp.Derivative), lambda e: _entry(n, n))


def _on_complement(vector: sp.Expr) -> Derivation:
    """``J v = gamma/sqrt(var + eps) v`` for v, the part of g orthogonal to 1 and xhat."""

    def eigenvalue_times_vector(expr: sp.Expr) -> sp.Expr:
        # only the delta of the Jacobian meets a vector that is orthogonal to the other two terms
        eigenvalue = sp.expand(_entry(i, n)).coeff(sp.KroneckerDelta(i, n))
        return eigenvalue * vector.subs(n, i)

    return (
        Derivation.begin(total(_dy(n, i) * vector, n), VARYING_SAMPLE)
        .step("the closed form of the Jacobian", _jacobian_entries)
        .step("the vector is orthogonal to 1 and $\\hat{x}$", eigenvalue_times_vector)
    )
